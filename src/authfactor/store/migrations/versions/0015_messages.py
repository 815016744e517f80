"""Messages to users: the outbox, senders, send limits."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.BigInteger


def upgrade() -> None:
    """Add the tables."""
    _messages()
    op.create_table(
        "senders",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("channel", TEXT, primary_key=True),
        sa.Column("kind", TEXT, nullable=False),
        # Sealed, so that an attacker who writes the database cannot lead messages away.
        sa.Column("settings", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "send_limits",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("subject", TEXT, primary_key=True),
        sa.Column("last_kind", TEXT, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        # An hour and a day begin with the first message after the one before has ended.
        sa.Column("hour_at", TIME, nullable=False),
        sa.Column("hour_count", sa.Integer, nullable=False),
        sa.Column("day_at", TIME, nullable=False),
        sa.Column("day_count", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("send_limits_age", "send_limits", ["last_at"])


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("user_id", TEXT),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("recipient", TEXT, nullable=False),
        sa.Column("locale", TEXT, nullable=False),
        # What the message is about, such as the id of an email verification.
        sa.Column("reference", TEXT),
        # The sealed code or URL, NULL once it is erased.
        sa.Column("content", TEXT),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("claimed_until", TIME),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("last_error", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sqlite_with_rowid=False,
    )
    pending = sa.text("state = 'pending'")
    for name, columns in (
        ("messages_due", ["environment", "due_at", "id"]),
        ("messages_reference", ["environment", "reference"]),
    ):
        op.create_index(name, "messages", columns, sqlite_where=pending, postgresql_where=pending)
    op.create_index("messages_user", "messages", ["environment", "user_id", "id"])
