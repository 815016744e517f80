# frozen_string_literal: true

# region
user = WorkOS::UserManagement.get_user(id: user_id)

puts user.email
# endregion
