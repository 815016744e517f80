export default async ({ workos, magicAuthId }) => {
  // region
  const magicAuth = await workos.userManagement.getMagicAuth(magicAuthId);

  console.log(magicAuth.email, magicAuth.code);
  // endregion
};
