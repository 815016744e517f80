export default async ({ workos, userId, code }) => {
  // region
  const { user } = await workos.userManagement.verifyEmail({ userId, code });

  console.log(user.id, user.emailVerified);
  // endregion
};
