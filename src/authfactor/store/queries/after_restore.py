"""Statements run after a restore: whatever was used or ended since the backup must not be valid again."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authfactor.store.db import Db

Key = tuple[int, str]
_BETWEEN = "(environment, id) > ($1, $2) AND (environment, id) <= ($3, $4)"

# A window ($6) may be moved, and may have been moved since the backup by what is learned ($7). Steps are
# counted in each factor's own period.
_THROUGH = "$5 / period + $6 + CASE WHEN drift > $7 THEN drift ELSE $7 END"
SPEND_STEPS = f"UPDATE factors SET last_step = {_THROUGH} WHERE {_BETWEEN} AND last_step < {_THROUGH}"

END_SESSIONS = f"""
UPDATE sessions SET ended_at = $5, updated_at = $5 WHERE {_BETWEEN} AND ended_at IS NULL
"""

EXPIRE_CHALLENGES = f"""
UPDATE challenges SET expires_at = $5 WHERE {_BETWEEN} AND verified_at IS NULL AND expires_at > $5
"""

# Else the code of a challenge verified just before the backup would be answered once more (decision 0036).
FORGET_STEPS = f"UPDATE challenges SET verified_step = NULL WHERE {_BETWEEN} AND verified_step IS NOT NULL"

# A code used since the backup would be unused again, and nothing else tells.
DELETE_RECOVERY_CODES = """
DELETE FROM recovery_codes WHERE (environment, user_id, digest) IN
  (SELECT environment, user_id, digest FROM recovery_codes ORDER BY environment, user_id, digest LIMIT $1)
"""

# A token used since the backup would be unspent again.
END_TRUSTED_DEVICES = f"UPDATE trusted_devices SET ended_at = $5 WHERE {_BETWEEN} AND ended_at IS NULL"

END_OPERATOR_SESSIONS = "UPDATE operator_sessions SET ended_at = $1 WHERE ended_at IS NULL"

# Tables of short-lived single-use rows: one used since the backup would be unused again.
EXPIRED: Final = (
    "pending_sign_ins",
    "links",
    "operator_links",
    "passkey_ceremonies",
    "mailed_codes",
    "password_resets",
    "invitations",
)
EXPIRED_OF_HOSTED_SIGN_IN: Final = (
    "authorization_codes",
    "browser_sessions",
    "device_authorizations",
    "sign_in_flows",
)


# Sign-ins by passkey that were begun before leave no row; those answered since the backup must not be again.
# Operators' environment, 0, has no row of its own.
MARK_PASSKEYS = """
INSERT INTO passkey_ceremonies (environment, id, purpose, challenge, expires_at, used_at)
SELECT number, 'restored', 'restore', $1, $2, $3
FROM (SELECT number FROM environments UNION ALL SELECT 0) numbers WHERE true
ON CONFLICT (environment, id) DO UPDATE SET expires_at = excluded.expires_at, used_at = excluded.used_at
"""


# A code or link from before may be used already; who it went to gets a new one on request. Notices stay.
CANCEL_MESSAGES = """
UPDATE messages SET state = 'canceled', content = NULL, claimed_until = NULL, updated_at = $1
WHERE state = 'pending' AND kind IN
  ('email_verification', 'magic_auth', 'password_reset', 'email_change', 'invitation', 'one_time_code')
"""


class RestoredRows:
    """Updates over all environments. Times are in milliseconds; keys are (environment, id)."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def end_of_batch(self, table: str, after: Key, limit: int) -> Key | None:
        """Return the key of the last of the next `limit` rows after a key; None when there are no more."""
        rows = await self._db.all(
            f"SELECT environment, id FROM {table} WHERE (environment, id) > ($1, $2)"
            " ORDER BY environment, id LIMIT $3",
            *after,
            limit,
        )
        return (rows[-1][0], rows[-1][1]) if rows else None

    async def spend_steps(self, after: Key, through: Key, seconds: int, window: int, learned: int) -> int:
        """Mark TOTP steps of these factors as spent; return how many changed.

        Those are all through the one at epoch second `seconds`, plus `window`, plus the factor's drift where
        it is ahead, at least `learned`.
        """
        return await self._db.run(SPEND_STEPS, *after, *through, seconds, window, learned)

    async def end_sessions(self, after: Key, through: Key, now: int) -> int:
        """End these sessions; return how many were active."""
        return await self._db.run(END_SESSIONS, *after, *through, now)

    async def expire_challenges(self, after: Key, through: Key, now: int) -> int:
        """Expire these challenges if they are open; return how many were. The others repeat no result."""
        await self._db.run(FORGET_STEPS, *after, *through)
        return await self._db.run(EXPIRE_CHALLENGES, *after, *through, now)

    async def end_trusted_devices(self, after: Key, through: Key, now: int) -> int:
        """End these trusted devices; return how many had not ended."""
        return await self._db.run(END_TRUSTED_DEVICES, *after, *through, now)

    async def delete_recovery_codes(self, limit: int) -> int:
        """Delete up to `limit` recovery codes; return how many."""
        return await self._db.run(DELETE_RECOVERY_CODES, limit)

    async def end_operator_sessions(self, now: int) -> int:
        """End every operator session; return how many were active."""
        return await self._db.run(END_OPERATOR_SESSIONS, now)

    async def mark_passkeys(self, until: int, now: int) -> None:
        """Refuse sign-ins by passkey that were begun before `now`; the mark is kept until `until`."""
        await self._db.run(MARK_PASSKEYS, b"", until, now)

    async def cancel_messages(self, now: int) -> int:
        """Cancel pending messages with codes and links; return how many."""
        return await self._db.run(CANCEL_MESSAGES, now)

    async def expire_rest(self, now: int) -> int:
        """Expire all pending sign-ins, unused links and mailed codes; return how many."""
        return sum(
            [
                await self._db.run(f"UPDATE {table} SET expires_at = $1 WHERE expires_at > $1", now)
                for table in (*EXPIRED, *EXPIRED_OF_HOSTED_SIGN_IN)
            ]
        )
