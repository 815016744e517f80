def sample(workos, code, pending_authentication_token):
    # region
    signed_in = workos.user_management.authenticate_with_email_verification(
        code=code,
        pending_authentication_token=pending_authentication_token,
    )

    print(signed_in.user.id, signed_in.access_token)
    # endregion
