def sample(workos, user_id):
    # region
    workos.user_management.delete_user(user_id)
    # endregion
