export default async ({ workos, factorId }) => {
  // region
  await workos.multiFactorAuth.deleteFactor(factorId);
  // endregion
};
