export default async ({ workos, emailVerificationId }) => {
  // region
  const emailVerification = await workos.userManagement.getEmailVerification(emailVerificationId);

  console.log(emailVerification.email, emailVerification.code);
  // endregion
};
