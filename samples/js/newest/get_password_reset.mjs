export default async ({ workos, passwordResetId }) => {
  // region
  const passwordReset = await workos.userManagement.getPasswordReset(passwordResetId);

  console.log(passwordReset.passwordResetUrl);
  // endregion
};
