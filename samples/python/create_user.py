def sample(workos, email, password):
    # region
    user = workos.user_management.create_user(
        email=email,
        password=password,
        first_name="Kim",
    )

    print(user.id)
    # endregion
