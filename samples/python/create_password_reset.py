def sample(workos, email):
    # region
    password_reset = workos.user_management.create_password_reset(email=email)

    print(password_reset.password_reset_url)
    # endregion
