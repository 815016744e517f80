export default async ({ workos, clientId, redirectUri, state }) => {
  // region
  const url = workos.userManagement.getAuthorizationUrl({
    provider: "authkit",
    clientId,
    redirectUri,
    state,
  });

  console.log("send the browser to", url);
  // endregion
  return url;
};
