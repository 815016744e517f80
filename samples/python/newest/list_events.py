def sample(workos):
    # region
    events = workos.events.list_events(
        events=["user.created", "session.revoked"],
        limit=20,
    )

    for event in events.data:
        print(event.event, event.created_at)
    # endregion
