export default async ({ workos, userId }) => {
  // region
  const { authenticationFactor, authenticationChallenge } = await workos.userManagement.enrollAuthFactor({
    userId,
    type: "totp",
    totpIssuer: "Acme",
  });

  console.log(authenticationFactor.totp.qrCode, authenticationChallenge.id);
  // endregion
};
