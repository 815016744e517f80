export default async ({ workos, userId }) => {
  // region
  const factors = await workos.multiFactorAuth.listUserAuthFactors({ userId, limit: 10 });

  for (const factor of factors.data) console.log(factor.id, factor.type);
  // endregion
};
