# frozen_string_literal: true

# region
factors = WorkOS::UserManagement.list_auth_factors(user_id: user_id)

factors.data.each { |factor| puts factor.id }
# endregion
