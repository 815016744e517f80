def sample(workos, invitation_id):
    # region
    invitation = workos.user_management.revoke_invitation(invitation_id)

    print(invitation.state)
    # endregion
