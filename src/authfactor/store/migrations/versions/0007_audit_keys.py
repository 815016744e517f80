"""Sign audit entries with keys that the vault seals, and record the request's IP address.

Entries of older releases keep NULL in the new columns; the hash of the next entry covers them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns and the table."""
    op.create_table(
        "audit_keys",
        sa.Column("environment", sa.Integer, primary_key=True),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("secret", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    for column in (
        sa.Column("mac", sa.LargeBinary),
        sa.Column("key_id", TEXT),
        sa.Column("address", TEXT),
    ):
        op.add_column("audit", column)
