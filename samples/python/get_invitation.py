def sample(workos, invitation_id):
    # region
    invitation = workos.user_management.get_invitation(invitation_id)

    print(invitation.state, invitation.accept_invitation_url)
    # endregion
