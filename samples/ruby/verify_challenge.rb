# frozen_string_literal: true

# region
answer = WorkOS::MFA.verify_challenge(
  authentication_challenge_id: challenge_id,
  code: code
)

puts answer.valid ? "welcome" : "try again"
# endregion
