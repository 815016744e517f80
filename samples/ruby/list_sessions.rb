# frozen_string_literal: true

# region
sessions = WorkOS::UserManagement.list_sessions(user_id: user_id)

sessions.data.each { |session| puts session.id }
# endregion
