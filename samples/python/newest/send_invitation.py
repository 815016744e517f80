def sample(workos, email):
    # region
    invitation = workos.user_management.send_invitation(
        email=email,
        expires_in_days=3,
    )

    print(invitation.state, invitation.accept_invitation_url)
    # endregion
