"""Sessions, their refresh tokens, and pending sign-ins. Tokens are stored as hashes."""

from typing import TYPE_CHECKING

from authfactor.models import PageQuery, PendingSignIn, RefreshToken, SessionRecord
from authfactor.store.queries import keyset_pagination

if TYPE_CHECKING:
    from authfactor.store.db import Db

PENDING_COLUMNS = (
    "user_id, password_mark, created_at, expires_at, spent_at, session_id, auth_method, invitation_id, awaits"
)

INSERT_PENDING = f"""
INSERT INTO pending_sign_ins (environment, token_hash, {PENDING_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

_PENDING = f"SELECT {PENDING_COLUMNS} FROM pending_sign_ins WHERE environment = $1 AND token_hash = $2"

# A token is good for what it waits for alone.
PENDING_BY_HASH = f"{_PENDING} AND awaits IS NULL"

PENDING_AWAITING = f"{_PENDING} AND awaits = $3"

SPEND_PENDING = """
UPDATE pending_sign_ins SET spent_at = $3, answer = $4
WHERE environment = $1 AND token_hash = $2 AND spent_at IS NULL AND expires_at > $3
"""

PENDING_ANSWER = """
SELECT answer FROM pending_sign_ins
WHERE environment = $1 AND token_hash = $2 AND spent_at >= $3 AND spent_at <= $4
"""

FORGET_ANSWER = "UPDATE pending_sign_ins SET answer = NULL WHERE environment = $1 AND token_hash = $2"

SESSION_COLUMNS = (
    "id, user_id, ip_address, user_agent, auth_method, amr, authenticated_at, mfa_at, last_active_at,"
    " expires_at, ended_at, created_at, updated_at, trusted_device_id,"
    " browser_session_id, client_kind"
)

INSERT_SESSION = f"""
INSERT INTO sessions (environment, {SESSION_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
"""

SESSION_BY_ID = f"SELECT {SESSION_COLUMNS} FROM sessions WHERE environment = $1 AND id = $2"

ACTIVE = keyset_pagination.Listing(
    f"""
SELECT {SESSION_COLUMNS} FROM sessions INDEXED BY sessions_user
WHERE environment = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3 AND last_active_at > $4
""",
    4,
)

TOUCH_SESSION = """
UPDATE sessions SET last_active_at = $3, updated_at = $3
WHERE environment = $1 AND id = $2 AND ended_at IS NULL
"""

END_SESSION = """
UPDATE sessions SET ended_at = $3, updated_at = $3 WHERE environment = $1 AND id = $2 AND ended_at IS NULL
"""

END_SESSIONS_OF_USER = f"""
UPDATE sessions INDEXED BY sessions_user SET ended_at = $3, updated_at = $3
WHERE environment = $1 AND user_id = $2 AND ended_at IS NULL AND id <> $4 RETURNING {SESSION_COLUMNS}
"""

END_SESSIONS_OF_DEVICE = f"""
UPDATE sessions INDEXED BY sessions_user SET ended_at = $4, updated_at = $4
WHERE environment = $1 AND user_id = $2 AND trusted_device_id = $3 AND ended_at IS NULL
RETURNING {SESSION_COLUMNS}
"""

CLEAR_SECOND_FACTOR = """
UPDATE sessions INDEXED BY sessions_user SET
  amr = CASE auth_method WHEN 'passkey' THEN 'pop user' WHEN 'magic_code' THEN 'email' ELSE $3 END,
  mfa_at = NULL, updated_at = $4
WHERE environment = $1 AND user_id = $2 AND (mfa_at IS NOT NULL OR trusted_device_id IS NOT NULL)
"""

# Of any number of concurrent ends and raises, one decides: a session that has ended is raised no more.
RAISE_SESSION = """
UPDATE sessions SET mfa_at = $4, updated_at = $4
WHERE environment = $1 AND id = $2 AND user_id = $3 AND ended_at IS NULL AND expires_at > $4
  AND last_active_at > $5
RETURNING amr
"""

# After `RAISE_SESSION`, whose row lock the unit holds.
SET_METHODS = "UPDATE sessions SET amr = $3 WHERE environment = $1 AND id = $2"

REAUTHENTICATE_SESSION = """
UPDATE sessions SET authenticated_at = $4, updated_at = $4
WHERE environment = $1 AND id = $2 AND user_id = $3 AND ended_at IS NULL AND expires_at > $4
  AND last_active_at > $5
RETURNING amr
"""

# Unless it has ended, or its proof has changed, since the tokens were signed that say what it is now.
SET_PROOF = """
UPDATE sessions SET amr = $4, authenticated_at = $5, mfa_at = $6, last_active_at = $7, updated_at = $7
WHERE environment = $1 AND id = $2 AND updated_at = $3 AND ended_at IS NULL
"""

DELETE_SESSIONS_OF_USER = "DELETE FROM sessions WHERE environment = $1 AND user_id = $2"

REFRESH_COLUMNS = "session_id, created_at, spent_at, successor"

INSERT_REFRESH = f"""
INSERT INTO refresh_tokens (environment, token_hash, {REFRESH_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)
"""

REFRESH_BY_HASH = f"SELECT {REFRESH_COLUMNS} FROM refresh_tokens WHERE environment = $1 AND token_hash = $2"

REFRESH_WITH_SESSION = f"""
SELECT r.session_id, r.created_at, r.spent_at, r.successor, s.{SESSION_COLUMNS.replace(", ", ", s.")}
FROM refresh_tokens r JOIN sessions s ON s.environment = r.environment AND s.id = r.session_id
WHERE r.environment = $1 AND r.token_hash = $2
"""

# Of any number of concurrent refreshes, one finds the token unspent; the others read the stored successor.
SPEND_REFRESH = """
UPDATE refresh_tokens SET spent_at = $3, successor = $4
WHERE environment = $1 AND token_hash = $2 AND spent_at IS NULL
"""


IP_ADDRESSES = """
SELECT ip_address FROM sessions INDEXED BY sessions_user
WHERE environment = $1 AND user_id = $2 ORDER BY id DESC LIMIT 50
"""


class PendingSignInsTable:
    """The table `pending_sign_ins`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, token_hash: bytes, pending: PendingSignIn) -> None:
        """Insert a pending sign-in."""
        values = [getattr(pending, name) for name in PendingSignIn.__struct_fields__]
        await self._db.run(INSERT_PENDING, environment, token_hash, *values)

    async def by_hash(self, environment: int, token_hash: bytes) -> PendingSignIn | None:
        """Return the sign-in that waits for a second factor with this token hash, or None."""
        row = await self._db.one(PENDING_BY_HASH, environment, token_hash)
        return None if row is None else PendingSignIn(*row)

    async def awaiting(self, environment: int, token_hash: bytes, awaits: str) -> PendingSignIn | None:
        """Return the sign-in that waits for something else with this token hash, or None."""
        row = await self._db.one(PENDING_AWAITING, environment, token_hash, awaits)
        return None if row is None else PendingSignIn(*row)

    async def spend(self, environment: int, token_hash: bytes, now: int, answer: str | None) -> bool:
        """Spend an unexpired token and store its sealed answer; True for exactly one caller."""
        return await self._db.run(SPEND_PENDING, environment, token_hash, now, answer) == 1

    async def answer(self, environment: int, token_hash: bytes, earliest: int, latest: int) -> str | None:
        """Return the sealed answer of a token that was spent between these times, or None."""
        row = await self._db.one(PENDING_ANSWER, environment, token_hash, earliest, latest)
        return None if row is None else row[0]

    async def forget_answer(self, environment: int, token_hash: bytes) -> None:
        """Delete the answer of a spent token."""
        await self._db.run(FORGET_ANSWER, environment, token_hash)


class SessionsTable:
    """The tables `sessions` and `refresh_tokens`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, session: SessionRecord) -> None:
        """Insert a session."""
        values = [getattr(session, name) for name in SessionRecord.__struct_fields__]
        await self._db.run(INSERT_SESSION, environment, *values)

    async def by_id(self, environment: int, session_id: str) -> SessionRecord | None:
        """Return the row with this id, or None."""
        row = await self._db.one(SESSION_BY_ID, environment, session_id)
        return None if row is None else SessionRecord(*row)

    async def active_page(
        self, environment: int, user_id: str, query: PageQuery, now: int, active_since: int
    ) -> tuple[list[SessionRecord], bool, bool]:
        """Return one page of a user's sessions that are not ended, expired, or idle since `active_since`."""
        page = await keyset_pagination.fetch(self._db, ACTIVE, query, environment, user_id, now, active_since)
        return [SessionRecord(*row) for row in page.rows], page.more_before, page.more_after

    async def ip_addresses_of(self, environment: int, user_id: str) -> list[str]:
        """Return the IP addresses of the user's 50 newest sessions, newest first, where known."""
        rows = await self._db.all(IP_ADDRESSES, environment, user_id)
        return [row[0] for row in rows if row[0]]

    async def touch(self, environment: int, session_id: str, now: int) -> bool:
        """Set when the session was last active; False when it has ended."""
        return await self._db.run(TOUCH_SESSION, environment, session_id, now) == 1

    async def end(self, environment: int, session_id: str, now: int) -> bool:
        """End a session; True for exactly one caller."""
        return await self._db.run(END_SESSION, environment, session_id, now) == 1

    async def end_of_user(
        self, environment: int, user_id: str, now: int, keep: str = ""
    ) -> list[SessionRecord]:
        """End all of a user's sessions but `keep`; return those that this call ended, oldest first."""
        rows = await self._db.all(END_SESSIONS_OF_USER, environment, user_id, now, keep)
        return sorted((SessionRecord(*row) for row in rows), key=lambda session: session.id)

    async def end_of_device(
        self, environment: int, user_id: str, device_id: str, now: int
    ) -> list[SessionRecord]:
        """End a user's sessions that a trusted device started; return those that this call ended."""
        rows = await self._db.all(END_SESSIONS_OF_DEVICE, environment, user_id, device_id, now)
        return sorted((SessionRecord(*row) for row in rows), key=lambda session: session.id)

    async def clear_second_factor(self, environment: int, user_id: str, amr: str, now: int) -> int:
        """Remove the second factor, or what replaced it, from a user's sessions; return from how many."""
        return await self._db.run(CLEAR_SECOND_FACTOR, environment, user_id, amr, now)

    async def raise_session(
        self, environment: int, session_id: str, user_id: str, now: int, idle_since: int
    ) -> str | None:
        """Set `mfa_at` of a user's session that is alive, lock its row, and return its methods; else None."""
        row = await self._db.one(RAISE_SESSION, environment, session_id, user_id, now, idle_since)
        return None if row is None else row[0]

    async def reauthenticate(
        self, environment: int, session_id: str, user_id: str, now: int, idle_since: int
    ) -> str | None:
        """Set when the user of a session that is alive entered the password, as `raise_session` does."""
        row = await self._db.one(REAUTHENTICATE_SESSION, environment, session_id, user_id, now, idle_since)
        return None if row is None else row[0]

    async def set_methods(self, environment: int, session_id: str, amr: str) -> None:
        """Set the methods of a session whose row this unit has locked."""
        await self._db.run(SET_METHODS, environment, session_id, amr)

    async def set_proof(self, environment: int, session: SessionRecord, before: SessionRecord) -> bool:
        """Set methods and times of a session; False if it has ended, or changed since it was read."""
        values = session.amr, session.authenticated_at, session.mfa_at, session.updated_at
        return await self._db.run(SET_PROOF, environment, session.id, before.updated_at, *values) == 1

    async def delete_of_user(self, environment: int, user_id: str) -> None:
        """Delete a user's sessions; their refresh tokens are then refused, and deleted by retention later."""
        await self._db.run(DELETE_SESSIONS_OF_USER, environment, user_id)

    async def insert_refresh(self, environment: int, token_hash: bytes, session_id: str, now: int) -> None:
        """Insert a refresh token."""
        await self._db.run(INSERT_REFRESH, environment, token_hash, session_id, now, None, None)

    async def refresh_by_hash(self, environment: int, token_hash: bytes) -> RefreshToken | None:
        """Return the refresh token with this hash, or None."""
        row = await self._db.one(REFRESH_BY_HASH, environment, token_hash)
        return None if row is None else RefreshToken(*row)

    async def refresh_with_session(
        self, environment: int, token_hash: bytes
    ) -> tuple[RefreshToken, SessionRecord] | None:
        """Return the refresh token with this hash and its session; None when either does not exist."""
        row = await self._db.one(REFRESH_WITH_SESSION, environment, token_hash)
        return None if row is None else (RefreshToken(*row[:4]), SessionRecord(*row[4:]))

    async def spend_refresh(self, environment: int, token_hash: bytes, now: int, successor: str) -> bool:
        """Spend a refresh token and store its sealed successor; True for exactly one caller."""
        return await self._db.run(SPEND_REFRESH, environment, token_hash, now, successor) == 1
