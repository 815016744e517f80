"""Email verifications, magic codes, password resets, email changes, invitations.

Older releases neither read nor write the new columns of pending sign-ins; their inserts leave NULL.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns and the tables."""
    # NULL: the password; what the first step was, and the invitation that the finished sign-in accepts.
    op.add_column("pending_sign_ins", sa.Column("auth_method", TEXT))
    op.add_column("pending_sign_ins", sa.Column("invitation_id", TEXT))
    # NULL: a second factor. email_verification: the code that was mailed.
    op.add_column("pending_sign_ins", sa.Column("awaits", TEXT))
    _mailed_codes()
    _password_resets()
    _invitations()


def _mailed_codes() -> None:
    op.create_table(
        "mailed_codes",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        # email_verification, magic_auth or email_change.
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        # Sealed: the API gives it to applications that send their own mail.
        sa.Column("code", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sa.Column("replaced_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    current = sa.text("replaced_at IS NULL")
    op.create_index(
        "mailed_codes_current",
        "mailed_codes",
        ["environment", "user_id", "purpose"],
        unique=True,
        sqlite_where=current,
        postgresql_where=current,
    )
    op.create_index("mailed_codes_user", "mailed_codes", ["environment", "user_id"])
    op.create_index("mailed_codes_expiry", "mailed_codes", ["expires_at"])


def _password_resets() -> None:
    op.create_table(
        "password_resets",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("email", TEXT, nullable=False),
        # No longer matches once the password has changed.
        sa.Column("password_mark", sa.LargeBinary, nullable=False),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("token", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_index("password_resets_token", "password_resets", ["environment", "token_hash"], unique=True)
    op.create_index("password_resets_user", "password_resets", ["environment", "user_id"])
    op.create_index("password_resets_expiry", "password_resets", ["expires_at"])


def _invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("email_key", TEXT, nullable=False),
        # The key of the email while no other invitation may be open; NULL once accepted or revoked.
        sa.Column("open_key", TEXT),
        sa.Column("organization_id", TEXT),
        sa.Column("role_slug", TEXT),
        sa.Column("inviter_user_id", TEXT),
        sa.Column("accepted_user_id", TEXT),
        sa.Column("locale", TEXT),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("token", TEXT, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("accepted_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("invitations_token", "invitations", ["environment", "token_hash"], unique=True)
    op.create_index("invitations_open", "invitations", ["environment", "open_key"], unique=True)
    op.create_index("invitations_email", "invitations", ["environment", "email_key", "id"])
    op.create_index("invitations_accepted", "invitations", ["environment", "accepted_user_id"])
    op.create_index("invitations_organization", "invitations", ["environment", "organization_id", "id"])
    op.create_index("invitations_expiry", "invitations", ["expires_at"])
