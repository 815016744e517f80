"""Console operators, their sessions and their set-up links."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TIME = sa.BigInteger
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "operators",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("password_hash", TEXT),
        sa.Column("factor_id", TEXT),
        sa.Column("last_sign_in_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("email_key", TEXT, nullable=False, unique=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "operator_links",
        sa.Column("token_hash", sa.LargeBinary, primary_key=True),
        sa.Column("operator_id", TEXT),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("first", sa.SmallInteger, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "operator_sessions",
        sa.Column("token_hash", sa.LargeBinary, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("operator_id", TEXT, nullable=False),
        sa.Column("ip_address", TEXT),
        sa.Column("user_agent", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_active_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sqlite_with_rowid=False,
    )
    op.create_index("operator_sessions_operator", "operator_sessions", ["operator_id", "id"])
