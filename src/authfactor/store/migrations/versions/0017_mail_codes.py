"""Email verifications, magic codes, password resets, email changes, invitations."""

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add nothing yet."""
