export default async ({ workos, clientId, code, challengeId, pendingAuthenticationToken }) => {
  // region
  const signedIn = await workos.userManagement.authenticateWithTotp({
    clientId,
    code,
    authenticationChallengeId: challengeId,
    pendingAuthenticationToken,
  });

  console.log(signedIn.user.id, signedIn.accessToken);
  // endregion
};
