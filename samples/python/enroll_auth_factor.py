def sample(workos, user_id):
    # region
    enrolled = workos.user_management.enroll_auth_factor(
        user_id=user_id,
        type="totp",
        totp_issuer="Acme",
    )

    print(enrolled.authentication_factor.totp.qr_code)
    print(enrolled.authentication_challenge.id)
    # endregion
