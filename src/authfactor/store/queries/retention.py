"""What has had its time, removed in small batches so that nothing waits for it; one process at a time.

Whose turn it is, is a row with a lease: no advisory lock, so any database will do.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authfactor.store.db import Db


# Ids grow with time, so "older than" is a range of the key itself.
CHALLENGES = """
DELETE FROM challenges WHERE environment = $1 AND id IN
  (SELECT id FROM challenges WHERE environment = $1 AND id < $2 ORDER BY id LIMIT $3)
"""

EVENTS = """
DELETE FROM events WHERE environment = $1 AND id IN
  (SELECT id FROM events WHERE environment = $1 AND id < $2 ORDER BY id LIMIT $3)
"""

SESSIONS = """
DELETE FROM sessions WHERE environment = $1 AND id IN
  (SELECT id FROM sessions WHERE environment = $1 AND id < $2 ORDER BY id LIMIT $3)
"""

# Tokens of sessions that are gone: `refresh_tokens_session` makes this a range too.
REFRESH_TOKENS = """
DELETE FROM refresh_tokens WHERE environment = $1 AND token_hash IN
  (SELECT token_hash FROM refresh_tokens INDEXED BY refresh_tokens_session
   WHERE environment = $1 AND session_id < $2 ORDER BY session_id LIMIT $3)
"""

# Whatever their state: without its event, which goes at the same age, a delivery cannot be sent any more.
DELIVERIES = """
DELETE FROM deliveries WHERE environment = $1 AND id IN
  (SELECT id FROM deliveries WHERE environment = $1 AND id < $2 ORDER BY id LIMIT $3)
"""

LINKS = """
DELETE FROM links WHERE environment = $1 AND id IN
  (SELECT id FROM links WHERE environment = $1 AND id < $2 ORDER BY id LIMIT $3)
"""

IDEMPOTENCY = """
DELETE FROM idempotency WHERE (environment, key) IN
  (SELECT environment, key FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
"""

PENDING_SIGN_INS = """
DELETE FROM pending_sign_ins WHERE (environment, token_hash) IN
  (SELECT environment, token_hash FROM pending_sign_ins WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
"""

# What is in the past says nothing: the whole allowance is back.
THROTTLES = """
DELETE FROM throttles WHERE (environment, subject) IN
  (SELECT environment, subject FROM throttles WHERE full_at <= $1 ORDER BY full_at LIMIT $2)
"""

BATCH_ROWS: Final = 1000


class ExpiredRows:
    """Calls that remove at most `BATCH` rows each and return how many they removed."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def challenges(self, environment: int, older_than: str) -> int:
        """Remove challenges with ids before this one."""
        return await self._db.run(CHALLENGES, environment, older_than, BATCH_ROWS)

    async def events(self, environment: int, older_than: str) -> int:
        """Remove events with ids before this one."""
        return await self._db.run(EVENTS, environment, older_than, BATCH_ROWS)

    async def sessions(self, environment: int, older_than: str) -> int:
        """Remove sessions with ids before this one."""
        return await self._db.run(SESSIONS, environment, older_than, BATCH_ROWS)

    async def refresh_tokens(self, environment: int, older_than: str) -> int:
        """Remove refresh tokens of sessions with ids before this one."""
        return await self._db.run(REFRESH_TOKENS, environment, older_than, BATCH_ROWS)

    async def deliveries(self, environment: int, older_than: str) -> int:
        """Remove webhook deliveries with ids before this one."""
        return await self._db.run(DELIVERIES, environment, older_than, BATCH_ROWS)

    async def links(self, environment: int, older_than: str) -> int:
        """Remove links with ids before this one."""
        return await self._db.run(LINKS, environment, older_than, BATCH_ROWS)

    async def idempotency(self, now: int) -> int:
        """Remove kept answers whose time is over, of any environment."""
        return await self._db.run(IDEMPOTENCY, now, BATCH_ROWS)

    async def pending_sign_ins(self, before: int) -> int:
        """Remove sign-ins that expired before this time, of any environment."""
        return await self._db.run(PENDING_SIGN_INS, before, BATCH_ROWS)

    async def throttles(self, before: int) -> int:
        """Remove throttles that hold nobody back any more, of any environment."""
        return await self._db.run(THROTTLES, before, BATCH_ROWS)
