export default async ({ workos, clientId, code, challengeId, pendingAuthenticationToken }) => {
  // region
  const { user, accessToken, refreshToken } = await workos.userManagement.authenticateWithTotp({
    clientId,
    code,
    authenticationChallengeId: challengeId,
    pendingAuthenticationToken,
  });

  console.log(user.id, accessToken, refreshToken);
  // endregion
};
