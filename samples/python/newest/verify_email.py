def sample(workos, user_id, code):
    # region
    answer = workos.user_management.verify_email(user_id, code=code)

    print(answer.user.id, answer.user.email_verified)
    # endregion
