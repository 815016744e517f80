"""Factors. The secret is sealed; `last_step`, the last spent TOTP step, never decreases."""

from typing import TYPE_CHECKING

from authfactor.models import FactorDetails, FactorRecord, PageQuery
from authfactor.store.queries import keyset_pagination

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

INSERTED = "id, user_id, issuer, account, secret, activated_at, last_step, created_at, updated_at"
COLUMNS = f"{INSERTED}, drift, last_offset, type, algorithm, digits, period"

INSERT = f"""
INSERT INTO factors (environment, {INSERTED}, secret_compared)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)
"""

BY_ID = f"SELECT {COLUMNS} FROM factors WHERE environment = $1 AND id = $2"

OF_USER = f"""
SELECT {COLUMNS} FROM factors INDEXED BY factors_user WHERE environment = $1 AND user_id = $2 ORDER BY id
"""

DETAILS_OF_USER = f"""
SELECT {COLUMNS}, name, last_used_at FROM factors INDEXED BY factors_user
WHERE environment = $1 AND user_id = $2 ORDER BY id
"""

RENAME = "UPDATE factors SET name = $3, updated_at = $4 WHERE environment = $1 AND id = $2"

DETAILS = f"SELECT {COLUMNS}, name, last_used_at FROM factors WHERE environment = $1 AND id = $2"

# A covering index scan.
IDS_OF_USER = """
SELECT id FROM factors INDEXED BY factors_user WHERE environment = $1 AND user_id = $2 ORDER BY id
"""

# Some SDKs cannot read a factor of another type, and fail for the whole list.
LISTING = keyset_pagination.Listing(
    f"SELECT {COLUMNS} FROM factors INDEXED BY factors_user"
    " WHERE environment = $1 AND user_id = $2 AND type = 'totp'",
    2,
)
# For environments whose SDKs can: $3 has the types, each between spaces.
LISTING_OF_TYPES = keyset_pagination.Listing(
    f"SELECT {COLUMNS} FROM factors INDEXED BY factors_user"
    " WHERE environment = $1 AND user_id = $2 AND $3 LIKE '% ' || type || ' %'",
    3,
)

# The only statement that spends a code: of any number of concurrent requests, one finds the step unspent.
# What the code tells about the phone's clock ($5, $6) was decided on the row with $7: if another code was
# accepted since, the drift stays as that one left it.
ADVANCE_STEP = """
UPDATE factors
SET last_step = $3, activated_at = COALESCE(activated_at, $4), updated_at = $4, last_used_at = $4,
  drift = CASE WHEN last_step = $7 THEN $5 ELSE drift END,
  last_offset = CASE WHEN last_step = $7 THEN $6 ELSE 0 END
WHERE environment = $1 AND id = $2 AND last_step < $3
"""

# Spends two codes in a row, of the steps $3 and $3 + 1.
RESYNC = """
UPDATE factors
SET last_step = $3 + 1, drift = $4, last_offset = 0, updated_at = $5, last_used_at = $5
WHERE environment = $1 AND id = $2 AND last_step < $3 AND activated_at IS NOT NULL AND type = 'totp'
"""

USE_PASSKEY = """
UPDATE factors SET last_used_at = $3, updated_at = $3
WHERE environment = $1 AND id = $2 AND type = 'webauthn' AND activated_at IS NOT NULL
"""

# Of another factor with the same secret, in the unit that spent the step.
ADVANCE_DUPLICATE = """
UPDATE factors SET last_step = $3 WHERE environment = $1 AND id = $2 AND last_step < $3
"""

RESEAL = "UPDATE factors SET secret = $4 WHERE environment = $1 AND id = $2 AND secret = $3"

DELETE = "DELETE FROM factors WHERE environment = $1 AND id = $2"

DELETE_PENDING = f"{DELETE} AND activated_at IS NULL"

DELETE_OF_USER = "DELETE FROM factors WHERE environment = $1 AND user_id = $2"


class FactorsTable:
    """The table `factors`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, factor: FactorRecord) -> None:
        """Insert a factor."""
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
        """Return the row with this id, or None."""
        return _factor(await self._db.one(BY_ID, environment, factor_id))

    async def of_user(self, environment: int, user_id: str) -> list[FactorRecord]:
        """Return a user's factors, oldest first; their number is limited by `max_factors_per_user`."""
        return [FactorRecord(*row) for row in await self._db.all(OF_USER, environment, user_id)]

    async def details_of_user(self, environment: int, user_id: str) -> list[FactorDetails]:
        """Return a user's factors with their details, oldest first."""
        return [FactorDetails(*row) for row in await self._db.all(DETAILS_OF_USER, environment, user_id)]

    async def details(self, environment: int, factor_id: str) -> FactorDetails | None:
        """Return a factor with its details, or None."""
        row = await self._db.one(DETAILS, environment, factor_id)
        return None if row is None else FactorDetails(*row)

    async def rename(self, environment: int, factor_id: str, name: str | None, now: int) -> bool:
        """Set or clear a factor's name; False when the factor does not exist."""
        return await self._db.run(RENAME, environment, factor_id, name, now) == 1

    async def ids_of_user(self, environment: int, user_id: str) -> list[str]:
        """Return the ids of a user's factors, oldest first."""
        return [row[0] for row in await self._db.all(IDS_OF_USER, environment, user_id)]

    async def page(
        self, environment: int, user_id: str, query: PageQuery, types: tuple[str, ...] = ("totp",)
    ) -> tuple[list[FactorRecord], bool, bool]:
        """Return one page of a user's factors of these types."""
        if types == ("totp",):
            page = await keyset_pagination.fetch(self._db, LISTING, query, environment, user_id)
        else:
            given = f" {' '.join(types)} "
            page = await keyset_pagination.fetch(
                self._db, LISTING_OF_TYPES, query, environment, user_id, given
            )
        return [FactorRecord(*row) for row in page.rows], page.more_before, page.more_after

    async def reseal(self, environment: int, factor_id: str, old: str, new: str) -> None:
        """Replace a sealed secret with the same secret sealed under a newer key."""
        await self._db.run(RESEAL, environment, factor_id, old, new)

    async def use_passkey(self, environment: int, factor_id: str, now: int) -> bool:
        """Note that a passkey was used, and lock its row; False if there is no such factor anymore."""
        return await self._db.run(USE_PASSKEY, environment, factor_id, now) == 1

    async def resync(self, environment: int, factor_id: str, step: int, drift: int, now: int) -> bool:
        """Spend `step` and the next one and set the drift; False if not both are unspent, or not active."""
        return await self._db.run(RESYNC, environment, factor_id, step, drift, now) == 1

    async def delete(self, environment: int, factor_id: str) -> bool:
        """Delete a factor; False when it does not exist."""
        return await self._db.run(DELETE, environment, factor_id) == 1

    async def delete_pending(self, environment: int, factor_id: str) -> bool:
        """Delete a factor if it is pending; False when it is active or does not exist."""
        return await self._db.run(DELETE_PENDING, environment, factor_id) == 1

    async def delete_of_user(self, environment: int, user_id: str) -> int:
        """Delete all factors of a user; return how many."""
        return await self._db.run(DELETE_OF_USER, environment, user_id)


def _factor(row: "Row | None") -> FactorRecord | None:
    return None if row is None else FactorRecord(*row)
