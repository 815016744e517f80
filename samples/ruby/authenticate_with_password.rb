# frozen_string_literal: true

# region
signed_in = WorkOS::UserManagement.authenticate_with_password(
  client_id: client_id,
  email: email,
  password: password
)

puts signed_in.user.id
# endregion
