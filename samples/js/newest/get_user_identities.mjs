export default async ({ workos, userId }) => {
  // region
  const identities = await workos.userManagement.getUserIdentities(userId);

  console.log(identities.length);
  // endregion
};
