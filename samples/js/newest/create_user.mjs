export default async ({ workos, email, password }) => {
  // region
  const user = await workos.userManagement.createUser({
    email,
    password,
    firstName: "Kim",
  });

  console.log(user.id);
  // endregion
};
