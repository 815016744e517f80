# frozen_string_literal: true

# region
factor = WorkOS::MFA.get_factor(id: factor_id)

puts factor.type
# endregion
