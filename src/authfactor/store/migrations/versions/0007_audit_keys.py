"""Entries of the audit list are signed with keys that the vault seals, and say where a request came from.

An entry of an older release has none of the new columns: it stays as it is, and the next one covers it.
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
