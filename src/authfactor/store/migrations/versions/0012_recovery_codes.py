"""Recovery codes, and what a factor may be besides today's TOTP profile.

Older releases neither read nor write the new columns of factors; their inserts leave the defaults.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns and the table."""
    for column in (
        sa.Column("type", TEXT, nullable=False, server_default="totp"),
        sa.Column("name", TEXT),
        sa.Column("last_used_at", sa.BigInteger),
        sa.Column("algorithm", TEXT, nullable=False, server_default="SHA1"),
        sa.Column("digits", sa.Integer, nullable=False, server_default="6"),
        sa.Column("period", sa.Integer, nullable=False, server_default="30"),
        sa.Column("drift", sa.Integer, nullable=False, server_default="0"),
        # 1: the enrollment compared the secret with those of the user's other factors (decision 0036).
        sa.Column("secret_compared", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("factors", column)
    op.create_table(
        "recovery_codes",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("user_id", TEXT, primary_key=True),
        sa.Column("digest", TEXT, primary_key=True),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sa.Column("used_for", TEXT),
        sqlite_with_rowid=False,
    )
