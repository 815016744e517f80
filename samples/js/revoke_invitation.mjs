export default async ({ workos, invitationId }) => {
  // region
  const invitation = await workos.userManagement.revokeInvitation(invitationId);

  console.log(invitation.state, invitation.acceptInvitationUrl);
  // endregion
};
