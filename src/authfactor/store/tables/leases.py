"""Leases, which decide the process that does a piece of background work. Stored in the table `turns`.

A lease is a row with an expiry instead of an advisory lock, so it works on any database.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authfactor.store.db import Db


OUTDATED_EMAIL_KEYS: Final = "email keys"
"""No lease but a mark, left by a migration until the keys of emails are recomputed."""

# Acquires a lease that is free, expired, or already held by this holder.
ACQUIRE = """
INSERT INTO turns (name, holder, ends_at) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends_at = excluded.ends_at
WHERE turns.ends_at <= $4 OR turns.holder = excluded.holder
"""


EXISTS = "SELECT 1 FROM turns WHERE name = $1"

REMOVE = "DELETE FROM turns WHERE name = $1"


class LeasesTable:
    """The table `turns`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def acquire(self, name: str, holder: str, now: int, ends_at: int) -> bool:
        """Acquire or renew a lease until `ends_at`; True for at most one holder at a time."""
        return await self._db.run(ACQUIRE, name, holder, ends_at, now) == 1

    async def exists(self, name: str) -> bool:
        """Return whether the lease has a row, expired or not."""
        return await self._db.one(EXISTS, name) is not None

    async def remove(self, name: str) -> None:
        """Delete the lease's row, if there is one."""
        await self._db.run(REMOVE, name)
