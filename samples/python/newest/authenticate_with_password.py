def sample(workos, email, password):
    # region
    signed_in = workos.user_management.authenticate_with_password(
        email=email,
        password=password,
    )

    print(signed_in.user.id, signed_in.access_token)
    # endregion
