# frozen_string_literal: true

# region
refreshed = WorkOS::UserManagement.authenticate_with_refresh_token(
  client_id: client_id,
  refresh_token: refresh_token
)

puts refreshed.access_token
# endregion
