"""Count consecutive failures of a webhook endpoint, and pause one that keeps failing.

Older releases neither read nor write the columns; their inserts leave the defaults.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns."""
    for column in (
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("paused_until", sa.BigInteger),
        sa.Column("last_error", TEXT),
    ):
        op.add_column("webhook_endpoints", column)
