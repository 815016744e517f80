"""Passkeys, the user handles that they name, and ceremonies that are open.

A passkey is a factor of type `webauthn`, whose sealed secret is its public key with what that is bound to
(decision 0047). Older releases take it for a TOTP factor for which no code is right.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "passkeys",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("factor_id", TEXT, primary_key=True),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("rp_id", TEXT, nullable=False),
        sa.Column("credential_id", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("aaguid", TEXT, nullable=False),
        # Separated by spaces.
        sa.Column("transports", TEXT, nullable=False),
        sa.Column("backup_eligible", sa.Integer, nullable=False),
        sa.Column("backed_up", sa.Integer, nullable=False),
        sa.Column("discoverable", sa.Integer),
        sa.Column("attachment", TEXT),
        sa.Column("format", TEXT, nullable=False),
        sa.Column("trust", TEXT, nullable=False),
        # When its counter went back although it is not backed up.
        sa.Column("suspect_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_index("passkeys_credential", "passkeys", ["environment", "rp_id", "credential_id"], unique=True)
    op.create_index("passkeys_user", "passkeys", ["environment", "user_id"])
    op.create_table(
        "passkey_handles",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("user_id", TEXT, primary_key=True),
        sa.Column("handle", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("passkey_handles_handle", "passkey_handles", ["environment", "handle"], unique=True)
    op.create_table(
        "passkey_ceremonies",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        # registration; the others come with sign-in.
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("user_id", TEXT),
        sa.Column("name", TEXT),
        sa.Column("challenge", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_index("passkey_ceremonies_expiry", "passkey_ceremonies", ["expires_at"])
    _add_metadata()


def _add_metadata() -> None:
    """Add what loaded metadata says about models of authenticators, for all environments (decision 0050)."""
    op.create_table(
        "authenticator_metadata",
        # 1: there is one row.
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("next_update", sa.BigInteger, nullable=False),
        sa.Column("loaded_at", sa.BigInteger, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "authenticator_models",
        sa.Column("aaguid", TEXT, primary_key=True),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("is_hardware", sa.Integer, nullable=False),
        # Why and from when authenticators of this model are not to be trusted.
        sa.Column("status", TEXT),
        sa.Column("refused_from", sa.BigInteger),
        # A JSON array of certificates in base64.
        sa.Column("roots", TEXT, nullable=False),
        sqlite_with_rowid=False,
    )
