def sample(workos, user_id):
    # region
    sessions = workos.user_management.list_sessions(user_id)

    for session in sessions.data:
        print(session.id, session.status)
    # endregion
