# frozen_string_literal: true

# region
url = WorkOS::UserManagement.get_logout_url(session_id: session_id, return_to: return_to)

puts url
# endregion
