export default async ({ workos, userId }) => {
  // region
  const user = await workos.userManagement.updateUser({
    userId,
    firstName: "Kim",
    metadata: { plan: "pro" },
  });

  console.log(user.updatedAt);
  // endregion
};
