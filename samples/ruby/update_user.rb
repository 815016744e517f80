# frozen_string_literal: true

# region
user = WorkOS::UserManagement.update_user(
  id: user_id,
  first_name: "Kim",
  metadata: { plan: "pro" }
)

puts user.updated_at
# endregion
