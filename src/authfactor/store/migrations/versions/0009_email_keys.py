"""Let a pending sign-in replace a session, and mark the keys of emails to be recomputed (decision 0037).

SQL cannot compute the keys: the next process that opens the database, or `authfactor migrate`, does so and
removes the mark.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the column, and the mark."""
    op.add_column("pending_sign_ins", sa.Column("session_id", TEXT))
    op.execute("INSERT INTO turns (name, holder, ends_at) VALUES ('email keys', '', 0)")
