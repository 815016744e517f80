def sample(workos, email):
    # region
    invitations = workos.user_management.list_invitations(email=email)

    for invitation in invitations.data:
        print(invitation.id, invitation.state)
    # endregion
