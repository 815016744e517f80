def sample(workos, user_id, code):
    # region
    user = workos.user_management.verify_email(user_id=user_id, code=code)

    print(user.id, user.email_verified)
    # endregion
