export default async ({ workos, email }) => {
  // region
  const invitation = await workos.userManagement.sendInvitation({
    email,
    expiresInDays: 3,
  });

  console.log(invitation.state, invitation.acceptInvitationUrl);
  // endregion
};
