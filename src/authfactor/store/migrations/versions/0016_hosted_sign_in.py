"""Hosted sign-in: redirect URIs, authorization codes, browser sessions, device authorizations."""

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add nothing yet."""
