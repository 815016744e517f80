"""Ids of the vault keys that sealed values need, so that a start without one of them fails.

Ids are six hex digits of a hash. The table is filled at the first start of a release that has it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "vault_keys",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("added_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
