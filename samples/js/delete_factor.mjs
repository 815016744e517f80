export default async ({ workos, factorId }) => {
  // region
  await workos.mfa.deleteFactor(factorId);
  // endregion
};
