"""The audit log: what operators changed and why, chained by hashes."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "audit",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("actor_kind", TEXT, nullable=False),
        sa.Column("actor_id", TEXT),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("environment", sa.Integer),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("request_id", TEXT),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("audit_action", "audit", ["action", "id"])
    op.create_index("audit_actor", "audit", ["actor", "id"])
    op.create_index("audit_target", "audit", ["target", "id"])
