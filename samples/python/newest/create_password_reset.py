def sample(workos, email):
    # region
    password_reset = workos.user_management.reset_password(email=email)

    print(password_reset.password_reset_url)
    # endregion
