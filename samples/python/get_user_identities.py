def sample(workos, user_id):
    # region
    identities = workos.user_management.get_user_identities(user_id)

    print(len(identities))
    # endregion
