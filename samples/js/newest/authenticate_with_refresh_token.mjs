export default async ({ workos, clientId, refreshToken }) => {
  // region
  const refreshed = await workos.userManagement.authenticateWithRefreshToken({
    clientId,
    refreshToken,
  });

  console.log(refreshed.accessToken, refreshed.refreshToken);
  // endregion
};
