def sample(workos, email):
    # region
    magic_auth = workos.user_management.create_magic_auth(email=email)

    print(magic_auth.email, magic_auth.code)
    # endregion
