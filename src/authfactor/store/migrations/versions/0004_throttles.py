"""Throttles: how soon another password may be tried."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "throttles",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("subject", TEXT, primary_key=True),
        sa.Column("full_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("throttles_full_at", "throttles", ["full_at"])
