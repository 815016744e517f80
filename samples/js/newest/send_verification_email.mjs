export default async ({ workos, userId }) => {
  // region
  const { user } = await workos.userManagement.sendVerificationEmail({ userId });

  console.log(user.id, user.emailVerified);
  // endregion
};
