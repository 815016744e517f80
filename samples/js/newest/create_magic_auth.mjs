export default async ({ workos, email }) => {
  // region
  const magicAuth = await workos.userManagement.createMagicAuth({ email });

  console.log(magicAuth.email, magicAuth.code);
  // endregion
};
