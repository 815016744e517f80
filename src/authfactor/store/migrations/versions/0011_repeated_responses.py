"""What a response is repeated from when it was lost: a challenge's step, a sign-in's sealed tokens.

Rows of older releases keep NULL: their responses are not repeated.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns."""
    op.add_column("challenges", sa.Column("verified_step", sa.BigInteger))
    op.add_column("pending_sign_ins", sa.Column("answer", TEXT))
