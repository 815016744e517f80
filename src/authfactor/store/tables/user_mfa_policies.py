"""What operators have decided about single users' MFA, and the deadlines of grace: one row a user at most."""

from typing import TYPE_CHECKING

from authfactor.models.mfa_policies import StoredUserPolicy

if TYPE_CHECKING:
    from authfactor.store.db import Db

COLUMNS = "policy, until, reason, grace_until, grace_granted_at, grace_ended_at, held_factor_at, updated_at"

OF_USER = f"SELECT {COLUMNS} FROM user_mfa_policies WHERE environment = $1 AND user_id = $2"

SET_POLICY = """
INSERT INTO user_mfa_policies (environment, user_id, policy, until, reason, updated_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (environment, user_id) DO UPDATE SET policy = excluded.policy, until = excluded.until,
  reason = excluded.reason, updated_at = excluded.updated_at
"""

# The only statement that writes a deadline without an operator: of any number of concurrent sign-ins, one
# finds none.
START_GRACE = """
INSERT INTO user_mfa_policies (environment, user_id, policy, grace_until, updated_at)
VALUES ($1, $2, 'default', $3, $4)
ON CONFLICT (environment, user_id) DO UPDATE
SET grace_until = excluded.grace_until, updated_at = excluded.updated_at
WHERE user_mfa_policies.grace_until IS NULL AND user_mfa_policies.grace_ended_at IS NULL
  AND user_mfa_policies.held_factor_at IS NULL
"""

GRANT_GRACE = """
INSERT INTO user_mfa_policies (environment, user_id, policy, grace_until, grace_granted_at, updated_at)
VALUES ($1, $2, 'default', $3, $4, $4)
ON CONFLICT (environment, user_id) DO UPDATE
SET grace_until = excluded.grace_until, grace_granted_at = excluded.grace_granted_at, grace_ended_at = NULL,
  held_factor_at = NULL, updated_at = excluded.updated_at
"""

END_GRACE = """
UPDATE user_mfa_policies SET grace_ended_at = $3, updated_at = $3
WHERE environment = $1 AND user_id = $2 AND grace_until IS NOT NULL AND grace_ended_at IS NULL
  AND held_factor_at IS NULL
"""

RECORD_HELD_FACTOR = """
INSERT INTO user_mfa_policies (environment, user_id, policy, held_factor_at, updated_at)
VALUES ($1, $2, 'default', $3, $3)
ON CONFLICT (environment, user_id) DO UPDATE
SET held_factor_at = excluded.held_factor_at, updated_at = excluded.updated_at
"""

DELETE = "DELETE FROM user_mfa_policies WHERE environment = $1 AND user_id = $2"


class UserMfaPoliciesTable:
    """The table `user_mfa_policies`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def of(self, environment: int, user_id: str) -> StoredUserPolicy | None:
        """Return what is stored about a user, or None."""
        row = await self._db.one(OF_USER, environment, user_id)
        return None if row is None else StoredUserPolicy(*row)

    async def set_policy(
        self, environment: int, user_id: str, policy: str, until: int | None, reason: str | None, now: int
    ) -> None:
        """Store an operator's decision; the deadline of grace stays as it is."""
        await self._db.run(SET_POLICY, environment, user_id, policy, until, reason, now)

    async def start_grace(self, environment: int, user_id: str, deadline: int, now: int) -> bool:
        """Write the user's first deadline; False when there was one, or none can be written anymore."""
        return await self._db.run(START_GRACE, environment, user_id, deadline, now) == 1

    async def grant_grace(self, environment: int, user_id: str, deadline: int, now: int) -> None:
        """Write the deadline that an operator gives, whatever there was before."""
        await self._db.run(GRANT_GRACE, environment, user_id, deadline, now)

    async def end_grace(self, environment: int, user_id: str, now: int) -> bool:
        """End a user's grace for good; False when there was none, or it had ended."""
        return await self._db.run(END_GRACE, environment, user_id, now) == 1

    async def record_held_factor(self, environment: int, user_id: str, now: int) -> None:
        """Write that a user no longer has an active factor: there is no grace anymore."""
        await self._db.run(RECORD_HELD_FACTOR, environment, user_id, now)

    async def delete(self, environment: int, user_id: str) -> bool:
        """Delete what is stored about a user; False when there was nothing."""
        return await self._db.run(DELETE, environment, user_id) == 1
