export default async ({ workos, email }) => {
  // region
  const users = await workos.userManagement.listUsers({ email });

  for (const user of users.data) console.log(user.id, user.email);
  // endregion
};
