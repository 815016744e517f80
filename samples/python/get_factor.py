def sample(workos, factor_id):
    # region
    factor = workos.mfa.get_factor(factor_id)

    print(factor.type, factor.totp.issuer)
    # endregion
