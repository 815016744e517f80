def sample(workos, code, challenge_id, pending_authentication_token):
    # region
    signed_in = workos.user_management.authenticate_with_totp(
        code=code,
        authentication_challenge_id=challenge_id,
        pending_authentication_token=pending_authentication_token,
    )

    print(signed_in.user.id, signed_in.access_token)
    # endregion
