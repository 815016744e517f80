# frozen_string_literal: true

# region
enrolled = WorkOS::UserManagement.enroll_auth_factor(
  user_id: user_id,
  type: "totp",
  totp_issuer: "Acme"
)

puts enrolled.authentication_factor.totp[:qr_code], enrolled.authentication_challenge.id
# endregion
