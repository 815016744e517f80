def sample(workos, external_id):
    # region
    user = workos.user_management.get_user_by_external_id(external_id)

    print(user.id)
    # endregion
