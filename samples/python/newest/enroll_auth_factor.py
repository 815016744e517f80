def sample(workos, user_id):
    # region
    enrolled = workos.multi_factor_auth.create_user_auth_factor(
        user_id,
        type="totp",
        totp_issuer="Acme",
    )

    print(enrolled.authentication_factor.totp.qr_code)
    print(enrolled.authentication_challenge.id)
    # endregion
