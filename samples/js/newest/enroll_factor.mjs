export default async ({ workos }) => {
  // region
  const factor = await workos.multiFactorAuth.enrollFactor({
    type: "totp",
    issuer: "Acme",
    user: "kim@example.org",
  });

  console.log(factor.id, factor.totp.qrCode);
  // endregion
};
