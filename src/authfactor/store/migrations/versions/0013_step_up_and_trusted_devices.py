"""Trusted devices, challenges that raise a session, clock drift, policies of users, imported recovery codes.

Older releases neither read nor write the new columns; their inserts leave the defaults.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns and the tables."""
    _add_columns()
    _add_tables()


def _add_columns() -> None:
    # The offset of the last accepted code from the drift, and whether two of the same sign came in a row.
    op.add_column("factors", sa.Column("last_offset", sa.Integer, nullable=False, server_default="0"))
    # The session that a right code raises.
    op.add_column("challenges", sa.Column("session_id", TEXT))
    # 1 if a recovery code raises it too.
    op.add_column("challenges", sa.Column("allows_recovery", sa.Integer))
    op.add_column("links", sa.Column("session_id", TEXT))
    # When a code was right on the page on which users manage their factors.
    op.add_column("links", sa.Column("confirmed_at", sa.BigInteger))
    # Whether the page of a challenge may offer to trust the browser, and which kind of proof completed it.
    op.add_column("links", sa.Column("remember_device", sa.Integer, nullable=False, server_default="0"))
    op.add_column("links", sa.Column("method", TEXT))
    op.add_column("sessions", sa.Column("trusted_device_id", TEXT))
    # Estimated bits of the codes of an imported set; NULL for one made here.
    op.add_column("recovery_codes", sa.Column("bits", sa.Integer))


def _add_tables() -> None:
    op.create_table(
        "trusted_devices",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("user_id", TEXT, nullable=False),
        # The session or the hosted page's link it was made in, each of which makes one device.
        sa.Column("source_id", TEXT, nullable=False),
        # A keyed digest of user, device, password hash and active factors.
        sa.Column("mark", TEXT, nullable=False),
        sa.Column("name", TEXT),
        sa.Column("ip_address", TEXT),
        sa.Column("user_agent", TEXT),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.BigInteger),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_index("trusted_devices_user", "trusted_devices", ["environment", "user_id", "id"])
    op.create_index("trusted_devices_source", "trusted_devices", ["environment", "source_id"], unique=True)
    op.create_table(
        "trusted_device_tokens",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("token_hash", sa.LargeBinary, primary_key=True),
        sa.Column("device_id", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("spent_at", sa.BigInteger),
        # The sealed token that replaced it.
        sa.Column("successor", TEXT),
        sqlite_with_rowid=False,
    )
    op.create_index("trusted_device_tokens_device", "trusted_device_tokens", ["environment", "device_id"])
    op.create_table(
        "user_mfa_policies",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("user_id", TEXT, primary_key=True),
        sa.Column("policy", TEXT, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("reason", TEXT),
        # The deadline is written once, again only by an operator; the last two end grace for good.
        *(sa.Column(f"grace_{name}", sa.BigInteger) for name in ("until", "granted_at", "ended_at")),
        sa.Column("held_factor_at", sa.BigInteger),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
