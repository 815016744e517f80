def sample(workos, password_reset_id):
    # region
    password_reset = workos.user_management.get_password_reset(
        password_reset_id,
    )

    print(password_reset.password_reset_url)
    # endregion
