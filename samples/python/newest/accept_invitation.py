def sample(workos, invitation_id):
    # region
    invitation = workos.user_management.accept_invitation(invitation_id)

    print(invitation.state, invitation.accept_invitation_url)
    # endregion
