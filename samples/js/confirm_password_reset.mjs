export default async ({ workos, token, newPassword }) => {
  // region
  const { user } = await workos.userManagement.resetPassword({ token, newPassword });

  console.log(user.id, user.emailVerified);
  // endregion
};
