export default async ({ workos, factorId }) => {
  // region
  const challenge = await workos.multiFactorAuth.challengeFactor({ authenticationFactorId: factorId });

  console.log(challenge.id, challenge.expiresAt);
  // endregion
};
