"""Delete expired rows in small batches, so that no other write waits for long.

One process at a time does this; it holds a lease (`tables.leases`).
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authfactor.store.db import Db


# Ids grow with time, so "older than" is a range of the primary key.
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

# By session id, so that the index `refresh_tokens_session` makes this a range too.
REFRESH_TOKENS = """
DELETE FROM refresh_tokens WHERE environment = $1 AND token_hash IN
  (SELECT token_hash FROM refresh_tokens INDEXED BY refresh_tokens_session
   WHERE environment = $1 AND session_id < $2 ORDER BY session_id LIMIT $3)
"""

# In any state: a delivery cannot be sent without its event, which is deleted at the same age.
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

PASSKEY_CEREMONIES = """
DELETE FROM passkey_ceremonies WHERE (environment, id) IN
  (SELECT environment, id FROM passkey_ceremonies WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
"""

MAILED_CODES = """
DELETE FROM mailed_codes WHERE (environment, id) IN
  (SELECT environment, id FROM mailed_codes WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
"""

RESETS = """
DELETE FROM password_resets WHERE (environment, id) IN
  (SELECT environment, id FROM password_resets WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
"""

INVITATIONS = """
DELETE FROM invitations WHERE (environment, id) IN
  (SELECT environment, id FROM invitations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
"""

# Tables of hosted sign-in: their keys are (environment, one more column).
HOSTED_SIGN_IN: Final = {
    table: f"""
DELETE FROM {table} WHERE (environment, {key}) IN
  (SELECT environment, {key} FROM {table} WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
"""
    for table, key in (
        ("sign_in_flows", "id"),
        ("authorization_codes", "code_hash"),
        ("device_authorizations", "id"),
        ("browser_sessions", "id"),
    )
}

# A `full_at` in the past means that the full burst is available, the same as no row.
THROTTLES = """
DELETE FROM throttles WHERE (environment, subject) IN
  (SELECT environment, subject FROM throttles WHERE full_at <= $1 ORDER BY full_at LIMIT $2)
"""

TRUSTED_DEVICES = """
DELETE FROM trusted_devices WHERE environment = $1 AND id IN
  (SELECT id FROM trusted_devices WHERE environment = $1 AND id < $2 ORDER BY id LIMIT $3)
"""

TRUSTED_DEVICE_TOKENS = """
DELETE FROM trusted_device_tokens WHERE environment = $1 AND token_hash IN
  (SELECT token_hash FROM trusted_device_tokens INDEXED BY trusted_device_tokens_device
   WHERE environment = $1 AND device_id < $2 ORDER BY device_id LIMIT $3)
"""

# One that is pending is sent, or ends by itself.
MESSAGES = """
DELETE FROM messages WHERE environment = $1 AND id IN
  (SELECT id FROM messages WHERE environment = $1 AND id < $2 AND state <> 'pending' ORDER BY id LIMIT $3)
"""

SEND_LIMITS = """
DELETE FROM send_limits WHERE (environment, subject) IN
  (SELECT environment, subject FROM send_limits WHERE last_at <= $1 ORDER BY last_at LIMIT $2)
"""

BATCH_ROWS: Final = 1000


class ExpiredRows:
    """Each method deletes at most `BATCH_ROWS` rows and returns how many."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def challenges(self, environment: int, older_than: str) -> int:
        """Delete challenges with ids below `older_than`."""
        return await self._db.run(CHALLENGES, environment, older_than, BATCH_ROWS)

    async def events(self, environment: int, older_than: str) -> int:
        """Delete events with ids below `older_than`."""
        return await self._db.run(EVENTS, environment, older_than, BATCH_ROWS)

    async def sessions(self, environment: int, older_than: str) -> int:
        """Delete sessions with ids below `older_than`."""
        return await self._db.run(SESSIONS, environment, older_than, BATCH_ROWS)

    async def refresh_tokens(self, environment: int, older_than: str) -> int:
        """Delete refresh tokens of sessions with ids below `older_than`."""
        return await self._db.run(REFRESH_TOKENS, environment, older_than, BATCH_ROWS)

    async def deliveries(self, environment: int, older_than: str) -> int:
        """Delete webhook deliveries with ids below `older_than`."""
        return await self._db.run(DELIVERIES, environment, older_than, BATCH_ROWS)

    async def links(self, environment: int, older_than: str) -> int:
        """Delete links with ids below `older_than`."""
        return await self._db.run(LINKS, environment, older_than, BATCH_ROWS)

    async def trusted_devices(self, environment: int, older_than: str) -> int:
        """Delete trusted devices with ids below `older_than`."""
        return await self._db.run(TRUSTED_DEVICES, environment, older_than, BATCH_ROWS)

    async def trusted_device_tokens(self, environment: int, older_than: str) -> int:
        """Delete tokens of trusted devices with ids below `older_than`."""
        return await self._db.run(TRUSTED_DEVICE_TOKENS, environment, older_than, BATCH_ROWS)

    async def messages(self, environment: int, older_than: str) -> int:
        """Delete messages with ids below `older_than` that are not pending."""
        return await self._db.run(MESSAGES, environment, older_than, BATCH_ROWS)

    async def send_limits(self, before: int) -> int:
        """Delete counts of subjects whose last message was by this time, in all environments."""
        return await self._db.run(SEND_LIMITS, before, BATCH_ROWS)

    async def idempotency(self, now: int) -> int:
        """Delete stored idempotent responses that expired by `now` (milliseconds), in all environments."""
        return await self._db.run(IDEMPOTENCY, now, BATCH_ROWS)

    async def pending_sign_ins(self, before: int) -> int:
        """Delete pending sign-ins that expired by this time (milliseconds), in all environments."""
        return await self._db.run(PENDING_SIGN_INS, before, BATCH_ROWS)

    async def passkey_ceremonies(self, before: int) -> int:
        """Delete ceremonies of passkeys that expired by this time (milliseconds), in all environments."""
        return await self._db.run(PASSKEY_CEREMONIES, before, BATCH_ROWS)

    async def mailed_codes(self, before: int) -> int:
        """Delete mailed codes that expired by this time (milliseconds), in all environments."""
        return await self._db.run(MAILED_CODES, before, BATCH_ROWS)

    async def password_resets(self, before: int) -> int:
        """Delete password resets that expired by this time (milliseconds), in all environments."""
        return await self._db.run(RESETS, before, BATCH_ROWS)

    async def invitations(self, before: int) -> int:
        """Delete invitations that expired by this time (milliseconds), in all environments."""
        return await self._db.run(INVITATIONS, before, BATCH_ROWS)

    async def hosted_sign_in(self, table: str, before: int) -> int:
        """Delete rows of a table of `HOSTED_SIGN_IN` that expired by this time, in all environments."""
        return await self._db.run(HOSTED_SIGN_IN[table], before, BATCH_ROWS)

    async def throttles(self, before: int) -> int:
        """Delete throttles whose burst was full again by this time (milliseconds), in all environments."""
        return await self._db.run(THROTTLES, before, BATCH_ROWS)
