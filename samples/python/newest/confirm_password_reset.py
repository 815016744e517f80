def sample(workos, token, new_password):
    # region
    answer = workos.user_management.confirm_password_reset(
        token=token,
        new_password=new_password,
    )

    print(answer.user.id, answer.user.email_verified)
    # endregion
