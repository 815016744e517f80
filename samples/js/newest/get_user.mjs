export default async ({ workos, userId }) => {
  // region
  const user = await workos.userManagement.getUser(userId);

  console.log(user.email);
  // endregion
};
