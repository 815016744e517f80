"""TOTP factors. The secret is sealed; `last_step` only ever grows."""

from typing import TYPE_CHECKING

from authfactor.models import FactorRecord, PageQuery
from authfactor.store.queries import keyset_pagination

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

COLUMNS = "id, user_id, issuer, account, secret, activated_at, last_step, created_at, updated_at"

INSERT = f"INSERT INTO factors (environment, {COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"

BY_ID = f"SELECT {COLUMNS} FROM factors WHERE environment = $1 AND id = $2"

OF_USER = f"""
SELECT {COLUMNS} FROM factors INDEXED BY factors_user WHERE environment = $1 AND user_id = $2 ORDER BY id
"""

# Answered by the index alone.
IDS_OF_USER = """
SELECT id FROM factors INDEXED BY factors_user WHERE environment = $1 AND user_id = $2 ORDER BY id
"""

LISTING = keyset_pagination.Listing(
    f"SELECT {COLUMNS} FROM factors INDEXED BY factors_user WHERE environment = $1 AND user_id = $2", 2
)

# The one place where a code is spent: of any number of racing requests one finds the step still ahead.
ADVANCE_STEP = """
UPDATE factors SET last_step = $3, activated_at = COALESCE(activated_at, $4), updated_at = $4
WHERE environment = $1 AND id = $2 AND last_step < $3
"""

RESEAL = "UPDATE factors SET secret = $4 WHERE environment = $1 AND id = $2 AND secret = $3"

DELETE = "DELETE FROM factors WHERE environment = $1 AND id = $2"

DELETE_PENDING = f"{DELETE} AND activated_at IS NULL"

DELETE_OF_USER = "DELETE FROM factors WHERE environment = $1 AND user_id = $2"


class FactorsTable:
    """Calls on the table `factors`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def insert(self, environment: int, factor: FactorRecord) -> None:
        """Add a factor."""
        await self._db.run(
            INSERT,
            environment,
            factor.id,
            factor.user_id,
            factor.issuer,
            factor.account,
            factor.secret,
            factor.activated_at,
            factor.last_step,
            factor.created_at,
            factor.updated_at,
        )

    async def by_id(self, environment: int, factor_id: str) -> FactorRecord | None:
        """Find by id."""
        return _factor(await self._db.one(BY_ID, environment, factor_id))

    async def of_user(self, environment: int, user_id: str) -> list[FactorRecord]:
        """List a user's factors, oldest first (their number is limited)."""
        return [FactorRecord(*row) for row in await self._db.all(OF_USER, environment, user_id)]

    async def ids_of_user(self, environment: int, user_id: str) -> list[str]:
        """List the ids of a user's factors, oldest first."""
        return [row[0] for row in await self._db.all(IDS_OF_USER, environment, user_id)]

    async def page(
        self, environment: int, user_id: str, query: PageQuery
    ) -> tuple[list[FactorRecord], bool, bool]:
        """List one page of a user's factors."""
        found = await keyset_pagination.fetch(self._db, LISTING, query, environment, user_id)
        return [FactorRecord(*row) for row in found.rows], found.more_before, found.more_after

    async def reseal(self, environment: int, factor_id: str, old: str, new: str) -> None:
        """Replace a sealed secret by the same secret under a newer key."""
        await self._db.run(RESEAL, environment, factor_id, old, new)

    async def delete(self, environment: int, factor_id: str) -> bool:
        """Remove a factor; False when there was none."""
        return await self._db.run(DELETE, environment, factor_id) == 1

    async def delete_pending(self, environment: int, factor_id: str) -> bool:
        """Delete a factor unless it has been confirmed."""
        return await self._db.run(DELETE_PENDING, environment, factor_id) == 1

    async def delete_of_user(self, environment: int, user_id: str) -> int:
        """Remove every factor of a user; return how many."""
        return await self._db.run(DELETE_OF_USER, environment, user_id)


def _factor(row: "Row | None") -> FactorRecord | None:
    return None if row is None else FactorRecord(*row)
