def sample(workos):
    # region
    factor = workos.multi_factor_auth.enroll_factor(
        type="totp",
        totp_issuer="Acme",
        totp_user="kim@example.org",
    )

    print(factor.id, factor.totp.qr_code)
    # endregion
