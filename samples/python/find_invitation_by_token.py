def sample(workos, token):
    # region
    invitation = workos.user_management.find_invitation_by_token(token)

    print(invitation.state, invitation.accept_invitation_url)
    # endregion
