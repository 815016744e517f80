def sample(workos, user_id, code):
    # region
    confirmation = workos.user_management.confirm_email_change(
        user_id,
        code=code,
    )

    print(confirmation.user.email)
    # endregion
