"""Messages to users: outbox, limits, senders and texts (decision 0052)."""
