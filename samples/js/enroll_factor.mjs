export default async ({ workos }) => {
  // region
  const factor = await workos.mfa.enrollFactor({
    type: "totp",
    issuer: "Acme",
    user: "kim@example.org",
  });

  console.log(factor.id, factor.totp.qrCode);
  // endregion
};
