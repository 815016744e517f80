def sample(workos, user_id):
    # region
    answer = workos.user_management.send_verification_email(user_id)

    print(answer.user.id, answer.user.email_verified)
    # endregion
