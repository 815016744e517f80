# frozen_string_literal: true

# region
users = WorkOS::UserManagement.list_users(email: email)

users.data.each { |user| puts user.id }
# endregion
