export default async ({ workos, clientId, code, email }) => {
  // region
  const signedIn = await workos.userManagement.authenticateWithMagicAuth({
    clientId,
    code,
    email,
  });

  console.log(signedIn.user.id, signedIn.accessToken);
  // endregion
};
