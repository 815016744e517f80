"""Links to hosted pages, and branding.

Tokens and page sessions are stored as hashes. Branding, with its small PNG logo, is a separate table because
environments are read with every API key lookup.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TIME = sa.BigInteger
# Compared bytewise on both databases; see revision 0001.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "links",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("factor_id", TEXT),
        sa.Column("challenge_id", TEXT),
        sa.Column("issuer", TEXT),
        sa.Column("account", TEXT),
        sa.Column("return_to", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("opened_at", TIME),
        sa.Column("completed_at", TIME),
        sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("session_hash", sa.LargeBinary, unique=True),
        sqlite_with_rowid=False,
    )
    op.create_index("links_user", "links", ["environment", "user_id", "id"])
    op.create_table(
        "brandings",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", TEXT),
        sa.Column("color", TEXT),
        sa.Column("logo", sa.LargeBinary),
        sa.Column("updated_at", TIME, nullable=False),
        sqlite_with_rowid=False,
    )
