"""First schema: environments, keys, users, factors, challenges, failures, idempotency, sign-in, events.

Times are milliseconds of the epoch in 64 bits, flags are 0 or 1, ids are text made by us and start
after the environment in every key. SQLite tables are clustered on that key (WITHOUT ROWID).
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TIME = sa.BigInteger
# Compared byte by byte, as SQLite does: the order of pages is the same on both, and no index depends on the
# sorting rules of an operating system, which change with its upgrades.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def table(name: str, *columns: sa.schema.SchemaItem) -> None:
    """Create a table clustered on its primary key."""
    op.create_table(name, *columns, sqlite_with_rowid=False)


def upgrade() -> None:
    """Create everything."""
    tenants()
    people()
    second_factor()
    sign_in()
    outbox()


def tenants() -> None:
    """Environments and their API keys."""
    table(
        "environments",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("client_id", TEXT, nullable=False, unique=True),
        sa.Column("name", TEXT, nullable=False, unique=True),
        sa.Column("team_name", TEXT, nullable=False),
        sa.Column("mfa_policy", TEXT, nullable=False),
        sa.Column("options", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
    )
    table(
        "api_keys",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("hint", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_used_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False, unique=True),
    )
    table(
        "signing_keys",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("private_key", TEXT, nullable=False),
        sa.Column("certificate", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("signs_from", TIME, nullable=False),
        sa.Column("retired_at", TIME),
    )
    table(
        "turns",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
    )


def people() -> None:
    """Users."""
    table(
        "users",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("email_verified", sa.SmallInteger, nullable=False),
        sa.Column("first_name", TEXT),
        sa.Column("last_name", TEXT),
        sa.Column("name", TEXT),
        sa.Column("profile_picture_url", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("metadata", TEXT, nullable=False),
        sa.Column("locale", TEXT),
        sa.Column("last_sign_in_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("password_hash", TEXT),
        sa.Column("email_key", TEXT, nullable=False),
    )
    op.create_index("users_email", "users", ["environment", "email_key"], unique=True)
    op.create_index("users_external_id", "users", ["environment", "external_id"], unique=True)


def second_factor() -> None:
    """Factors, challenges, wrong codes."""
    table(
        "factors",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("user_id", TEXT),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("secret", TEXT, nullable=False),
        sa.Column("activated_at", TIME),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
    )
    op.create_index("factors_user", "factors", ["environment", "user_id", "id"])
    table(
        "challenges",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("factor_id", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("verified_at", TIME),
    )
    table(
        "failures",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("subject", TEXT, primary_key=True),
        sa.Column("times", TEXT, nullable=False),
        sa.Column("in_a_row", sa.Integer, nullable=False),
        sa.Column("locked_until", TIME),
    )
    # Not clustered: keys are random and rows large, so that every row would go to a page of its own.
    op.create_table(
        "idempotency",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("body_hash", sa.LargeBinary, nullable=False),
        sa.Column("answer", TEXT),
        sa.Column("expires_at", TIME, nullable=False),
    )
    op.create_index("idempotency_expiry", "idempotency", ["expires_at"])


def sign_in() -> None:
    """Pending sign-ins, sessions, refresh tokens."""
    table(
        "pending_sign_ins",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("token_hash", sa.LargeBinary, primary_key=True),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("password_mark", sa.LargeBinary, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("spent_at", TIME),
    )
    op.create_index("pending_sign_ins_expiry", "pending_sign_ins", ["expires_at"])
    table(
        "sessions",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("ip_address", TEXT),
        sa.Column("user_agent", TEXT),
        sa.Column("auth_method", TEXT, nullable=False),
        sa.Column("amr", TEXT, nullable=False),
        sa.Column("authenticated_at", TIME, nullable=False),
        sa.Column("mfa_at", TIME),
        sa.Column("last_active_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
    )
    op.create_index("sessions_user", "sessions", ["environment", "user_id", "id"])
    table(
        "refresh_tokens",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("token_hash", sa.LargeBinary, primary_key=True),
        sa.Column("session_id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("spent_at", TIME),
        sa.Column("successor", TEXT),
    )
    op.create_index("refresh_tokens_session", "refresh_tokens", ["environment", "session_id"])


def outbox() -> None:
    """Events, and their way to webhook endpoints."""
    table(
        "events",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("user_id", TEXT),
        sa.Column("data", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    )
    op.create_index("events_name", "events", ["environment", "name", "id"])
    table(
        "webhook_endpoints",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("endpoint_url", TEXT, nullable=False),
        sa.Column("secret", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("events", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
    )
    op.create_index(
        "webhook_endpoints_url", "webhook_endpoints", ["environment", "endpoint_url"], unique=True
    )
    table(
        "deliveries",
        sa.Column("environment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("endpoint_id", TEXT, nullable=False),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("user_id", TEXT),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("claimed_until", TIME),
        sa.Column("last_status", sa.Integer),
        sa.Column("last_error", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
    )
    pending = sa.text("state = 'pending'")
    for name, columns in (
        ("deliveries_due", ["environment", "endpoint_id", "due_at", "id"]),
        ("deliveries_turn", ["environment", "endpoint_id", "user_id", "id"]),
    ):
        op.create_index(name, "deliveries", columns, sqlite_where=pending, postgresql_where=pending)
    op.create_index("deliveries_endpoint", "deliveries", ["environment", "endpoint_id", "id"])
