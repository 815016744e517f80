export default async ({ workos, userId }) => {
  // region
  const enrolled = await workos.multiFactorAuth.createUserAuthFactor({
    userId,
    type: "totp",
    totpIssuer: "Acme",
  });

  console.log(enrolled.authenticationFactor.totp.qrCode);
  console.log(enrolled.authenticationChallenge.id);
  // endregion
};
