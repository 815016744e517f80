"""Profiles of imported TOTP factors."""

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add nothing yet."""
