export default async ({ workos, sessionId }) => {
  // region
  await workos.userManagement.revokeSession({ sessionId });
  // endregion
};
