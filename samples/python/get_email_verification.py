def sample(workos, email_verification_id):
    # region
    email_verification = workos.user_management.get_email_verification(
        email_verification_id,
    )

    print(email_verification.email, email_verification.code)
    # endregion
