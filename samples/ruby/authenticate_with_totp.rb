# frozen_string_literal: true

# region
signed_in = WorkOS::UserManagement.authenticate_with_totp(
  client_id: client_id,
  code: code,
  authentication_challenge_id: challenge_id,
  pending_authentication_token: pending_authentication_token
)

puts signed_in.user.id
# endregion
