def sample(workos, email):
    # region
    users = workos.user_management.list_users(email=email)

    for user in users.data:
        print(user.id, user.email)
    # endregion
