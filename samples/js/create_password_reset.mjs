export default async ({ workos, email }) => {
  // region
  const passwordReset = await workos.userManagement.createPasswordReset({ email });

  console.log(passwordReset.passwordResetUrl);
  // endregion
};
