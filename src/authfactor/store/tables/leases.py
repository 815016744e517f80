"""Leases: which process does a piece of background work. Table `turns`.

A lease is a row with an end: no advisory lock, so any database will do.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authfactor.store.db import Db


# Takes the turn when nobody has it or the lease has run out.
ACQUIRE = """
INSERT INTO turns (name, holder, ends_at) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends_at = excluded.ends_at
WHERE turns.ends_at <= $4 OR turns.holder = excluded.holder
"""


EXISTS = "SELECT 1 FROM turns WHERE name = $1"


class LeasesTable:
    """Calls on leases."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Use this connection."""
        self._db = db

    async def acquire(self, name: str, holder: str, now: int, ends_at: int) -> bool:
        """Take (or keep) the turn: True for one holder at a time."""
        return await self._db.run(ACQUIRE, name, holder, ends_at, now) == 1

    async def exists(self, name: str) -> bool:
        """Tell whether somebody has or had the turn."""
        return await self._db.one(EXISTS, name) is not None
