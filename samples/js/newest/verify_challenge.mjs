export default async ({ workos, challengeId, code }) => {
  // region
  const { valid } = await workos.multiFactorAuth.verifyChallenge({
    authenticationChallengeId: challengeId,
    code,
  });

  console.log(valid ? "welcome" : "try again");
  // endregion
};
