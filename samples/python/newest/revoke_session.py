def sample(workos, session_id):
    # region
    workos.user_management.revoke_session(session_id=session_id)
    # endregion
