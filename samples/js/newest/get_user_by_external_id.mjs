export default async ({ workos, externalId }) => {
  // region
  const user = await workos.userManagement.getUserByExternalId(externalId);

  console.log(user.id);
  // endregion
};
