export default async ({ workos, sessionId, returnTo }) => {
  // region
  const url = workos.userManagement.getLogoutUrl({ sessionId, returnTo });

  console.log("send the browser to", url);
  // endregion
  return url;
};
