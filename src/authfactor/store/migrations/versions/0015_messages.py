"""Messages to users: the outbox, senders, send limits."""

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add nothing yet."""
