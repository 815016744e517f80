export default async ({ workos, email }) => {
  // region
  await workos.userManagement.sendMagicAuthCode({ email });
  // endregion
};
