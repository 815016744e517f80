export default async ({ workos, userId }) => {
  // region
  const sessions = await workos.userManagement.listSessions(userId);

  for (const session of sessions.data) console.log(session.id, session.status);
  // endregion
};
