export default async ({ workos, clientId, email, password }) => {
  // region
  const { user, accessToken, refreshToken } = await workos.userManagement.authenticateWithPassword({
    clientId,
    email,
    password,
  });

  console.log(user.id, accessToken, refreshToken);
  // endregion
};
