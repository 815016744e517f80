export default async ({ workos, clientId, email, password }) => {
  // region
  const signedIn = await workos.userManagement.authenticateWithPassword({
    clientId,
    email,
    password,
  });

  console.log(signedIn.user.id, signedIn.accessToken);
  // endregion
};
