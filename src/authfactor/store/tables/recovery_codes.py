"""Recovery codes, as keyed digests over environment, user and code (decision 0041)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from authfactor.models import RecoveryCodeCount, RecoveryCodeUse
from authfactor.store.queries.insert_pairs import insert_pairs

if TYPE_CHECKING:
    from authfactor.store.db import Db

INSERT = """
INSERT INTO recovery_codes (environment, user_id, created_at, digest, key_id)
SELECT $1, $2, $3, column1, column2
"""

DELETE_OF_USER = "DELETE FROM recovery_codes WHERE environment = $1 AND user_id = $2"

COUNT = """
SELECT count(*), count(*) - count(used_at), min(created_at) FROM recovery_codes
WHERE environment = $1 AND user_id = $2
"""

# The only statement that accepts a code. It finds and spends: of any number of concurrent requests, one finds
# the code unused.
SPEND = """
UPDATE recovery_codes SET used_at = $3, used_for = $4
WHERE environment = $1 AND user_id = $2 AND used_at IS NULL AND digest IN ({digests})
"""

USE_OF = """
SELECT used_at, used_for FROM recovery_codes
WHERE environment = $1 AND user_id = $2 AND used_at IS NOT NULL AND digest IN ({digests})
"""


class RecoveryCodesTable:
    """The table `recovery_codes`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def replace(
        self, environment: int, user_id: str, digests: Sequence[str], key_id: str, now: int
    ) -> None:
        """Replace a user's set; `key_id` names the key of the digests."""
        await self.delete_of_user(environment, user_id)
        pairs = [(digest, key_id) for digest in digests]
        await insert_pairs(self._db, INSERT, (environment, user_id, now), pairs)

    async def delete_of_user(self, environment: int, user_id: str) -> int:
        """Delete a user's set; return how many codes it had, used ones included."""
        return await self._db.run(DELETE_OF_USER, environment, user_id)

    async def count(self, environment: int, user_id: str) -> RecoveryCodeCount:
        """Count a user's codes."""
        row = await self._db.one(COUNT, environment, user_id)
        return RecoveryCodeCount(*row) if row else RecoveryCodeCount(0, 0, None)

    async def spend(
        self, environment: int, user_id: str, digests: Sequence[str], now: int, challenge_id: str
    ) -> bool:
        """Spend the user's unused code with one of these digests, one per key; False when there is none."""
        statement = SPEND.format(digests=_numbered(4, digests))
        return await self._db.run(statement, environment, user_id, now, challenge_id, *digests) == 1

    async def use_of(self, environment: int, user_id: str, digests: Sequence[str]) -> RecoveryCodeUse | None:
        """Return how the user's code with one of these digests was used; None if it was not."""
        statement = USE_OF.format(digests=_numbered(2, digests))
        row = await self._db.one(statement, environment, user_id, *digests)
        return None if row is None else RecoveryCodeUse(*row)


def _numbered(before: int, digests: Sequence[str]) -> str:
    """Return the numbered parameters of the digests, which follow `before` others."""
    return ", ".join(f"${before + at}" for at in range(1, len(digests) + 1))
