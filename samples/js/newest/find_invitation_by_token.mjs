export default async ({ workos, token }) => {
  // region
  const invitation = await workos.userManagement.findInvitationByToken(token);

  console.log(invitation.state, invitation.acceptInvitationUrl);
  // endregion
};
