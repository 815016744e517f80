def sample(workos, magic_auth_id):
    # region
    magic_auth = workos.user_management.get_magic_auth(magic_auth_id)

    print(magic_auth.email, magic_auth.code)
    # endregion
