"""Hosted sign-in: redirect URIs, flows, authorization codes, browser sessions, devices, CORS origins.

Older releases neither read nor write the new columns of sessions; their inserts leave NULL.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns and the tables."""
    # The hosted session that a session was made from, which its end ends.
    op.add_column("sessions", sa.Column("browser_session_id", TEXT))
    # confidential: its refresh needs the client's secret; public: its code was redeemed without one.
    op.add_column("sessions", sa.Column("client_kind", TEXT))
    _add_lists()
    _add_flows()
    _add_codes()
    _add_browser_sessions()
    _add_device_authorizations()


def _environment() -> sa.Column[int]:
    return sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False)


def _proof(*, nullable: bool) -> list[sa.Column[object]]:
    """Return the columns that say how a user was authenticated."""
    return [
        sa.Column("user_id", TEXT, nullable=nullable),
        # No longer matches once the password has changed.
        sa.Column("password_mark", sa.LargeBinary),
        sa.Column("auth_method", TEXT, nullable=nullable),
        sa.Column("amr", TEXT, nullable=nullable),
        sa.Column("authenticated_at", sa.BigInteger, nullable=nullable),
        sa.Column("mfa_at", sa.BigInteger),
        sa.Column("trusted_device_id", TEXT),
    ]


def _add_lists() -> None:
    op.create_table(
        "redirect_uris",
        _environment(),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("uri", TEXT, nullable=False),
        sa.Column("is_default", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("redirect_uris_uri", "redirect_uris", ["environment", "uri"], unique=True)
    op.create_table(
        "cors_origins",
        _environment(),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    # An origin's preflight does not name a client.
    op.create_index("cors_origins_origin", "cors_origins", ["origin", "environment"], unique=True)


def _add_flows() -> None:
    op.create_table(
        "sign_in_flows",
        _environment(),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        # Of the request; `state` as it is in the query string, still encoded.
        sa.Column("redirect_uri", TEXT, nullable=False),
        sa.Column("state", TEXT),
        sa.Column("code_challenge", TEXT),
        sa.Column("screen_hint", TEXT, nullable=False),
        sa.Column("login_hint", TEXT),
        sa.Column("prompt", TEXT),
        sa.Column("max_age", sa.BigInteger),
        sa.Column("ip_address", TEXT),
        sa.Column("user_agent", TEXT),
        # The device that the flow approves, instead of a redirect.
        sa.Column("device_id", TEXT),
        # The hosted session of the browser when the flow began, and 1 if its user is asked again.
        sa.Column("browser_session_id", TEXT),
        sa.Column("asks_again", sa.Integer, nullable=False),
        # What was typed and proven so far.
        sa.Column("email", TEXT),
        *_proof(nullable=True),
        sa.Column("factor_id", TEXT),
        sa.Column("challenge_id", TEXT),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("completed_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_index("sign_in_flows_secret", "sign_in_flows", ["secret_hash"], unique=True)
    op.create_index("sign_in_flows_user", "sign_in_flows", ["environment", "user_id"])
    op.create_index("sign_in_flows_expiry", "sign_in_flows", ["expires_at"])


def _add_codes() -> None:
    op.create_table(
        "authorization_codes",
        _environment(),
        sa.Column("code_hash", sa.LargeBinary, primary_key=True),
        sa.Column("redirect_uri", TEXT, nullable=False),
        sa.Column("code_challenge", TEXT),
        *_proof(nullable=False),
        sa.Column("ip_address", TEXT),
        sa.Column("user_agent", TEXT),
        sa.Column("browser_session_id", TEXT, nullable=False),
        # The session that goes on with a new `auth_time`.
        sa.Column("continues_session_id", TEXT),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sa.Column("session_id", TEXT),
        sqlite_with_rowid=False,
    )
    # Another client's use of a code is found by the code alone.
    op.create_index("authorization_codes_code", "authorization_codes", ["code_hash"], unique=True)
    op.create_index("authorization_codes_user", "authorization_codes", ["environment", "user_id"])
    op.create_index("authorization_codes_expiry", "authorization_codes", ["expires_at"])


def _add_browser_sessions() -> None:
    op.create_table(
        "browser_sessions",
        _environment(),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        *_proof(nullable=False),
        sa.Column("last_session_id", TEXT),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_active_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "browser_sessions_secret", "browser_sessions", ["environment", "secret_hash"], unique=True
    )
    op.create_index("browser_sessions_user", "browser_sessions", ["environment", "user_id", "id"])
    op.create_index("browser_sessions_expiry", "browser_sessions", ["expires_at"])


def _add_device_authorizations() -> None:
    op.create_table(
        "device_authorizations",
        _environment(),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("code_hash", sa.LargeBinary, nullable=False),
        # What a person types: letters without the hyphen.
        sa.Column("user_code", TEXT, nullable=False),
        sa.Column("ip_address", TEXT),
        sa.Column("user_agent", TEXT),
        sa.Column("poll_seconds", sa.BigInteger, nullable=False),
        sa.Column("polled_at", sa.BigInteger),
        sa.Column("approved_at", sa.BigInteger),
        sa.Column("denied_at", sa.BigInteger),
        *_proof(nullable=True),
        sa.Column("browser_session_id", TEXT),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sa.Column("session_id", TEXT),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "device_authorizations_code", "device_authorizations", ["environment", "code_hash"], unique=True
    )
    # One page takes the codes of all environments.
    op.create_index("device_authorizations_user_code", "device_authorizations", ["user_code"], unique=True)
    op.create_index("device_authorizations_user", "device_authorizations", ["environment", "user_id"])
    op.create_index("device_authorizations_expiry", "device_authorizations", ["expires_at"])
