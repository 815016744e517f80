"""Challenges of a factor: a few attempts each, verified at most once."""

from typing import TYPE_CHECKING, NamedTuple

from authfactor.models import ChallengeRecord, FactorRecord

if TYPE_CHECKING:
    from authfactor.store.db import Db

COLUMNS = "id, factor_id, attempts, created_at, expires_at, verified_at, session_id"

INSERT = f"INSERT INTO challenges (environment, {COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"

BY_ID = f"SELECT {COLUMNS} FROM challenges WHERE environment = $1 AND id = $2"

# Counted before the code is compared, so that no race or crash gives a free guess. (`queries.attempts` has
# the same condition within a larger statement.)
CHARGE = """
UPDATE challenges SET attempts = attempts + 1
WHERE environment = $1 AND id = $2 AND verified_at IS NULL AND attempts < $3
"""

# Inserts nothing if there is no such TOTP factor.
INSERT_FOR_FACTOR = f"""
INSERT INTO challenges (environment, {COLUMNS}) SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE EXISTS (SELECT 1 FROM factors WHERE environment = $1 AND id = $3 AND type = 'totp')
"""

# For challenges of sessions, and read for recovery codes alone: the hot statements do not have the column.
ALLOW_RECOVERY = "UPDATE challenges SET allows_recovery = 1 WHERE environment = $1 AND id = $2"

ALLOWS_RECOVERY = """
SELECT 1 FROM challenges WHERE environment = $1 AND id = $2 AND allows_recovery = 1
"""

JOINED_COLUMNS = """
  c.id, c.factor_id, c.attempts, c.created_at, c.expires_at, c.verified_at, c.session_id,
  f.id, f.user_id, f.issuer, f.account, f.secret, f.activated_at, f.last_step, f.created_at, f.updated_at,
  f.drift, f.last_offset, f.type, f.algorithm, f.digits, f.period
"""
JOINED = """
FROM challenges c JOIN factors f ON f.environment = c.environment AND f.id = c.factor_id
WHERE c.environment = $1 AND c.id = $2
"""
WITH_FACTOR = f"SELECT {JOINED_COLUMNS} {JOINED}"

# `verified_step` is NULL where the response may not be repeated.
CLOSE = """
UPDATE challenges SET verified_at = $3, verified_step = $4
WHERE environment = $1 AND id = $2 AND verified_at IS NULL
"""

# Also counts the attempt, which SQLite has not written yet.
CHARGE_AND_CLOSE = """
UPDATE challenges SET verified_at = $3, verified_step = $4, attempts = attempts + 1
WHERE environment = $1 AND id = $2 AND verified_at IS NULL
"""

# A negative step is withdrawn: of any number of concurrent requests, the one that holds the row compares.
WITHDRAW_STEP = f"""
UPDATE challenges SET verified_step = -verified_step
WHERE environment = $1 AND id = $2 AND verified_step > 0 AND verified_at >= $3 AND verified_at <= $4
RETURNING -verified_step, {COLUMNS}
"""

RESTORE_STEP = """
UPDATE challenges SET verified_step = -verified_step WHERE environment = $1 AND id = $2 AND verified_step < 0
"""


class VerifiedStep(NamedTuple):
    """A verified challenge and the TOTP step whose code closed it."""

    step: int
    challenge: ChallengeRecord


class ChallengesTable:
    """The table `challenges`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, challenge: ChallengeRecord) -> None:
        """Insert a challenge."""
        await self._db.run(INSERT, *_values(environment, challenge))

    async def insert_for_factor(self, environment: int, challenge: ChallengeRecord) -> bool:
        """Insert a challenge of a TOTP factor; False when there is no such factor."""
        return await self._db.run(INSERT_FOR_FACTOR, *_values(environment, challenge)) == 1

    async def with_factor(
        self, environment: int, challenge_id: str
    ) -> tuple[ChallengeRecord, FactorRecord] | None:
        """Return a challenge and its factor; None when either does not exist."""
        row = await self._db.one(WITH_FACTOR, environment, challenge_id)
        return None if row is None else (ChallengeRecord(*row[:7]), FactorRecord(*row[7:]))

    async def charge(self, environment: int, challenge_id: str, max_attempts: int) -> bool:
        """Count an attempt before it is judged, and lock the row; False if none is left, or it is closed."""
        return await self._db.run(CHARGE, environment, challenge_id, max_attempts) == 1

    async def close(self, environment: int, challenge_id: str, now: int) -> bool:
        """Close an open challenge by something else than a TOTP code; False when it is closed already."""
        return await self._db.run(CLOSE, environment, challenge_id, now, None) == 1

    async def withdraw_step(
        self, environment: int, challenge_id: str, earliest: int, latest: int
    ) -> VerifiedStep | None:
        """Withdraw the step of a challenge verified between these times and return it; lock the row.

        None when there is none to withdraw, for example because another code was tried since.
        """
        row = await self._db.one(WITHDRAW_STEP, environment, challenge_id, earliest, latest)
        return None if row is None else VerifiedStep(row[0], ChallengeRecord(*row[1:]))

    async def restore_step(self, environment: int, challenge_id: str) -> None:
        """Put a step back that this unit has withdrawn."""
        await self._db.run(RESTORE_STEP, environment, challenge_id)

    async def allow_recovery(self, environment: int, challenge_id: str) -> None:
        """Let a recovery code verify a session's challenge."""
        await self._db.run(ALLOW_RECOVERY, environment, challenge_id)

    async def allows_recovery(self, environment: int, challenge_id: str) -> bool:
        """Return whether a recovery code may verify a session's challenge."""
        return await self._db.one(ALLOWS_RECOVERY, environment, challenge_id) is not None

    async def by_id(self, environment: int, challenge_id: str) -> ChallengeRecord | None:
        """Return the row with this id, or None."""
        row = await self._db.one(BY_ID, environment, challenge_id)
        return None if row is None else ChallengeRecord(*row)


def _values(environment: int, challenge: ChallengeRecord) -> tuple[object, ...]:
    return (
        environment,
        challenge.id,
        challenge.factor_id,
        challenge.attempts,
        challenge.created_at,
        challenge.expires_at,
        challenge.verified_at,
        challenge.session_id,
    )
