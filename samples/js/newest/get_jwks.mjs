export default async ({ workos, clientId }) => {
  // region
  const url = workos.userManagement.getJwksUrl(clientId);
  const { keys } = await (await fetch(url)).json();

  for (const key of keys) console.log(key.kid);
  // endregion
};
