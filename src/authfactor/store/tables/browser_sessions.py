"""Hosted sessions: browsers that need not sign in again. The secret of a session's cookie is a hash here."""

from typing import TYPE_CHECKING

from authfactor.models.hosted_sign_in import AuthenticationProof, BrowserSession
from authfactor.store.tables.proof_columns import PROOF_COLUMNS, PROOF_WIDTH, proof_values, stored_proof

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

COLUMNS = f"id, {PROOF_COLUMNS}, last_session_id, created_at, last_active_at, expires_at, ended_at"

INSERT = f"""
INSERT INTO browser_sessions (environment, secret_hash, {COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""

BY_SECRET = f"SELECT {COLUMNS} FROM browser_sessions WHERE environment = $1 AND secret_hash = $2"

BY_ID = f"SELECT {COLUMNS} FROM browser_sessions WHERE environment = $1 AND id = $2"

TOUCH = """
UPDATE browser_sessions SET last_active_at = $3 WHERE environment = $1 AND id = $2 AND ended_at IS NULL
"""

# The same user again, in the same browser. A new secret, so that one from before the sign-in is of no use.
RENEW = """
UPDATE browser_sessions SET secret_hash = $4, password_mark = $6, auth_method = $7, amr = $8,
  authenticated_at = $9, mfa_at = $10, trusted_device_id = $11, last_active_at = $3
WHERE environment = $1 AND id = $2 AND user_id = $5 AND ended_at IS NULL
"""

SET_LAST_SESSION = """
UPDATE browser_sessions SET last_session_id = $3 WHERE environment = $1 AND id = $2 AND ended_at IS NULL
"""

END = "UPDATE browser_sessions SET ended_at = $3 WHERE environment = $1 AND id = $2 AND ended_at IS NULL"

# All but the one that the session `$4` was made from.
END_OF_USER = """
UPDATE browser_sessions SET ended_at = $3
WHERE environment = $1 AND user_id = $2 AND ended_at IS NULL AND id <> COALESCE(
  (SELECT browser_session_id FROM sessions WHERE environment = $1 AND id = $4), '')
"""


class BrowserSessionsTable:
    """The table `browser_sessions`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, secret_hash: bytes, session: BrowserSession) -> None:
        """Insert a hosted session."""
        await self._db.run(
            INSERT,
            environment,
            secret_hash,
            session.id,
            *proof_values(session.proof),
            session.last_session_id,
            session.created_at,
            session.last_active_at,
            session.expires_at,
            session.ended_at,
        )

    async def by_secret(self, environment: int, secret_hash: bytes) -> BrowserSession | None:
        """Return the session of a cookie in any state, or None."""
        row = await self._db.one(BY_SECRET, environment, secret_hash)
        return None if row is None else _browser_session(row)

    async def by_id(self, environment: int, session_id: str) -> BrowserSession | None:
        """Return the row with this id, or None."""
        row = await self._db.one(BY_ID, environment, session_id)
        return None if row is None else _browser_session(row)

    async def touch(self, environment: int, session_id: str, now: int) -> bool:
        """Set when it was last used; False if it has ended."""
        return await self._db.run(TOUCH, environment, session_id, now) == 1

    async def renew(
        self, environment: int, session_id: str, now: int, secret_hash: bytes, proof: AuthenticationProof
    ) -> bool:
        """Set how its user was authenticated again, and a new secret; False if ended or another user's."""
        return await self._db.run(RENEW, environment, session_id, now, secret_hash, *proof_values(proof)) == 1

    async def set_last_session(self, environment: int, session_id: str, made: str) -> bool:
        """Set which session was made from it last; False if it has ended."""
        return await self._db.run(SET_LAST_SESSION, environment, session_id, made) == 1

    async def end(self, environment: int, session_id: str, now: int) -> bool:
        """End it; True for exactly one caller."""
        return await self._db.run(END, environment, session_id, now) == 1

    async def end_of_user(self, environment: int, user_id: str, now: int, keep: str) -> int:
        """End a user's, except the one that the session `keep` was made from; return how many."""
        return await self._db.run(END_OF_USER, environment, user_id, now, keep)


def _browser_session(row: "Row") -> BrowserSession:
    return BrowserSession(row[0], stored_proof(row, 1), *row[1 + PROOF_WIDTH :])
