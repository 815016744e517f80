export default async ({ workos, factorId }) => {
  // region
  const factor = await workos.multiFactorAuth.getFactor(factorId);

  console.log(factor.type, factor.totp.issuer);
  // endregion
};
