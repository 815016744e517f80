# frozen_string_literal: true

# region
WorkOS::UserManagement.delete_user(id: user_id)
# endregion
