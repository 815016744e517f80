# frozen_string_literal: true

# region
challenge = WorkOS::MFA.challenge_factor(authentication_factor_id: factor_id)

puts challenge.id
# endregion
