export default async ({ workos, email }) => {
  // region
  const invitations = await workos.userManagement.listInvitations({ email });

  for (const invitation of invitations.data) console.log(invitation.id, invitation.state);
  // endregion
};
