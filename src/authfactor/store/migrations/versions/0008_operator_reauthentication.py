"""Record when an operator's session last saw a second factor (decision 0035).

NULL in sessions of older releases: they confirm with a code before their next dangerous action.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column."""
    op.add_column("operator_sessions", sa.Column("authenticated_at", sa.BigInteger))
