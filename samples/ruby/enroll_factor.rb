# frozen_string_literal: true

# region
factor = WorkOS::MFA.enroll_factor(
  type: "totp",
  totp_issuer: "Acme",
  totp_user: "kim@example.org"
)

puts factor.id
# endregion
