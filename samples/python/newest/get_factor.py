def sample(workos, factor_id):
    # region
    factor = workos.multi_factor_auth.get_factor(factor_id)

    print(factor.type, factor.totp.issuer)
    # endregion
