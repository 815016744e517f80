def sample(workos, user_id, new_email):
    # region
    email_change = workos.user_management.send_email_change(
        user_id,
        new_email=new_email,
    )

    print(email_change.new_email, email_change.expires_at)
    # endregion
