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

INSERT_IMPORTED = """
INSERT INTO recovery_codes (environment, user_id, created_at, bits, digest, key_id)
SELECT $1, $2, $3, $4, column1, column2
"""

USED = "SELECT digest FROM recovery_codes WHERE environment = $1 AND user_id = $2 AND used_at IS NOT NULL"

DELETE_UNUSED = "DELETE FROM recovery_codes WHERE environment = $1 AND user_id = $2 AND used_at IS NULL"

DELETE = "DELETE FROM recovery_codes WHERE environment = $1 AND user_id = $2 AND digest = $3"

RENEW = "UPDATE recovery_codes SET created_at = $3, bits = $4 WHERE environment = $1 AND user_id = $2"

# NULL unless the user's set is an imported one.
IMPORTED_BITS = "SELECT min(bits) FROM recovery_codes WHERE environment = $1 AND user_id = $2"

DELETE_OF_USER = "DELETE FROM recovery_codes WHERE environment = $1 AND user_id = $2"

COUNT = """
SELECT count(*), count(*) - count(used_at), min(created_at) FROM recovery_codes
WHERE environment = $1 AND user_id = $2
"""

# The only statement that accepts a code. It finds and spends: of any number of concurrent requests, one finds
# the code unused.
SPEND = """
UPDATE recovery_codes SET used_at = $3, used_for = $4
WHERE environment = $1 AND user_id = $2 AND used_at IS NULL AND (bits IS NULL OR bits >= $5)
  AND digest IN ({digests})
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

    async def replace_imported(
        self,
        environment: int,
        user_id: str,
        codes: Sequence[Sequence[str]],
        key_id: str,
        now: int,
        bits: int,
    ) -> None:
        """Replace a user's set by codes of another system, each given by its digests, one per key.

        The last of the digests is that of `key_id`. A code that the user has used stays used.
        """
        used = {row[0] for row in await self._db.all(USED, environment, user_id)}
        await self._db.run(DELETE_UNUSED, environment, user_id)
        kept = {digest for digests in codes for digest in digests} & used
        for digest in sorted(used - kept):
            await self._db.run(DELETE, environment, user_id, digest)
        await self._db.run(RENEW, environment, user_id, now, bits)
        pairs = [(digests[-1], key_id) for digests in codes if kept.isdisjoint(digests)]
        await insert_pairs(self._db, INSERT_IMPORTED, (environment, user_id, now, bits), pairs)

    async def imported_bits(self, environment: int, user_id: str) -> int | None:
        """Return how many bits the codes of a user's imported set have; None without such a set."""
        row = await self._db.one(IMPORTED_BITS, environment, user_id)
        bits: int | None = None if row is None else row[0]
        return bits

    async def delete_of_user(self, environment: int, user_id: str) -> int:
        """Delete a user's set; return how many codes it had, used ones included."""
        return await self._db.run(DELETE_OF_USER, environment, user_id)

    async def count(self, environment: int, user_id: str) -> RecoveryCodeCount:
        """Count a user's codes."""
        row = await self._db.one(COUNT, environment, user_id)
        return RecoveryCodeCount(*row) if row else RecoveryCodeCount(0, 0, None)

    async def spend(
        self,
        environment: int,
        user_id: str,
        digests: Sequence[str],
        now: int,
        challenge_id: str,
        least_bits: int,
    ) -> bool:
        """Spend the user's unused code with one of these digests, one per key; False when there is none.

        An imported code of fewer than `least_bits` is none.
        """
        statement = SPEND.format(digests=_numbered(5, digests))
        spent = await self._db.run(statement, environment, user_id, now, challenge_id, least_bits, *digests)
        return spent == 1

    async def use_of(self, environment: int, user_id: str, digests: Sequence[str]) -> RecoveryCodeUse | None:
        """Return how the user's code with one of these digests was used; None if it was not."""
        statement = USE_OF.format(digests=_numbered(2, digests))
        row = await self._db.one(statement, environment, user_id, *digests)
        return None if row is None else RecoveryCodeUse(*row)


def _numbered(before: int, digests: Sequence[str]) -> str:
    """Return the numbered parameters of the digests, which follow `before` others."""
    return ", ".join(f"${before + at}" for at in range(1, len(digests) + 1))
