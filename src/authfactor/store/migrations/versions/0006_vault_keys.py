"""Which keys of the ring have sealed values here, so that a start without one of them is refused.

Ids only: six hex digits of a hash. Filled at the first start of the release that has it.
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
