def sample(workos, user_id):
    # region
    user = workos.user_management.get_user(user_id)

    print(user.email)
    # endregion
