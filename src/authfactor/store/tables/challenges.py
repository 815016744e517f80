"""Challenges: asked of a factor, tried a few times, verified at most once."""

from typing import TYPE_CHECKING

from authfactor.models import Challenge

if TYPE_CHECKING:
    from authfactor.store.base import Db

COLUMNS = "id, factor_id, attempts, created_at, expires_at, verified_at"

INSERT = f"INSERT INTO challenges (environment, {COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)"

BY_ID = f"SELECT {COLUMNS} FROM challenges WHERE environment = $1 AND id = $2"

# Counted before the code is looked at, so that no race and no crash gives a free guess.
CHARGE = """
UPDATE challenges SET attempts = attempts + 1
WHERE environment = $1 AND id = $2 AND verified_at IS NULL AND attempts < $3
"""

CLOSE = "UPDATE challenges SET verified_at = $3 WHERE environment = $1 AND id = $2 AND verified_at IS NULL"


class Challenges:
    """Calls on the table `challenges`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def insert(self, environment: int, challenge: Challenge) -> None:
        """Add a challenge."""
        await self._db.run(
            INSERT,
            environment,
            challenge.id,
            challenge.factor_id,
            challenge.attempts,
            challenge.created_at,
            challenge.expires_at,
            challenge.verified_at,
        )

    async def by_id(self, environment: int, challenge_id: str) -> Challenge | None:
        """Find by id."""
        row = await self._db.one(BY_ID, environment, challenge_id)
        return None if row is None else Challenge(*row)

    async def charge(self, environment: int, challenge_id: str, most: int) -> bool:
        """Count one attempt; False when none is left or the challenge is verified."""
        return await self._db.run(CHARGE, environment, challenge_id, most) == 1

    async def close(self, environment: int, challenge_id: str, now: int) -> bool:
        """Mark verified: True for exactly one caller."""
        return await self._db.run(CLOSE, environment, challenge_id, now) == 1
