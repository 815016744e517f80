def sample(workos, token, new_password):
    # region
    user = workos.user_management.reset_password(
        token=token,
        new_password=new_password,
    )

    print(user.id, user.email_verified)
    # endregion
