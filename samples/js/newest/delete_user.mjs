export default async ({ workos, userId }) => {
  // region
  await workos.userManagement.deleteUser(userId);
  // endregion
};
