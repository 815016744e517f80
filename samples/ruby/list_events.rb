# frozen_string_literal: true

# region
events = WorkOS::Events.list_events(events: ["user.created", "session.revoked"], limit: 20)

events.data.each { |event| puts event.event }
# endregion
