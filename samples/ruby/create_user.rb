# frozen_string_literal: true

# region
user = WorkOS::UserManagement.create_user(
  email: email,
  password: password,
  first_name: "Kim"
)

puts user.id
# endregion
