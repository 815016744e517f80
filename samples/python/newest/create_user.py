def sample(workos, email, password):
    # region
    from workos.user_management import PasswordPlaintext

    user = workos.user_management.create_user(
        email=email,
        password=PasswordPlaintext(password),
        first_name="Kim",
    )

    print(user.id)
    # endregion
