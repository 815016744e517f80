# frozen_string_literal: true

# region
WorkOS::UserManagement.revoke_session(session_id: session_id)
# endregion
