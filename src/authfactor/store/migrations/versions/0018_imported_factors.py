"""Which secrets were imported for whom, as keyed digests, so that an import runs again without effect.

A factor's profile is in the columns `algorithm`, `digits` and `period`, which revision 0012 added. Older
releases take an imported factor of another profile for one for which no code is right.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "imported_factors",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("user_id", TEXT, primary_key=True),
        # Under a key of the ring, over environment, user and secret. Kept when the factor is deleted.
        sa.Column("digest", TEXT, primary_key=True),
        sa.Column("factor_id", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
