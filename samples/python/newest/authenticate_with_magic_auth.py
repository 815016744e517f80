def sample(workos, code, email):
    # region
    signed_in = workos.user_management.authenticate_with_magic_auth(
        code=code,
        email=email,
    )

    print(signed_in.user.id, signed_in.access_token)
    # endregion
