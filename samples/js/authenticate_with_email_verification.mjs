export default async ({ workos, clientId, code, pendingAuthenticationToken }) => {
  // region
  const signedIn = await workos.userManagement.authenticateWithEmailVerification({
    clientId,
    code,
    pendingAuthenticationToken,
  });

  console.log(signedIn.user.id, signedIn.accessToken);
  // endregion
};
