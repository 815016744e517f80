export default async ({ workos, factorId }) => {
  // region
  const factor = await workos.mfa.getFactor(factorId);

  console.log(factor.type, factor.totp.issuer);
  // endregion
};
