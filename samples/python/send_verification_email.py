def sample(workos, user_id):
    # region
    user = workos.user_management.send_verification_email(user_id=user_id)

    print(user.id, user.email_verified)
    # endregion
