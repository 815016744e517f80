"""The origins whose pages may read the answers of `authenticate`."""

from typing import TYPE_CHECKING

from authfactor.models import PageQuery
from authfactor.models.hosted_sign_in import CorsOriginRecord
from authfactor.store.queries import keyset_pagination

if TYPE_CHECKING:
    from authfactor.store.db import Db

COLUMNS = "id, origin, created_at, updated_at"

INSERT = f"""
INSERT INTO cors_origins (environment, {COLUMNS}) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""

BY_ID = f"SELECT {COLUMNS} FROM cors_origins WHERE environment = $1 AND id = $2"

HAS = "SELECT 1 FROM cors_origins WHERE environment = $1 AND origin = $2"

# A preflight carries no body, and so names no client.
ANY_HAS = "SELECT 1 FROM cors_origins WHERE origin = $1 LIMIT 1"

PAGE = keyset_pagination.Listing(f"SELECT {COLUMNS} FROM cors_origins WHERE environment = $1", 1)

DELETE = "DELETE FROM cors_origins WHERE environment = $1 AND id = $2"


class CorsOriginsTable:
    """The table `cors_origins`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, record: CorsOriginRecord) -> bool:
        """Insert an origin; False if the environment has it already."""
        values = [getattr(record, name) for name in CorsOriginRecord.__struct_fields__]
        return await self._db.run(INSERT, environment, *values) == 1

    async def by_id(self, environment: int, origin_id: str) -> CorsOriginRecord | None:
        """Return the row with this id, or None."""
        row = await self._db.one(BY_ID, environment, origin_id)
        return None if row is None else CorsOriginRecord(*row)

    async def has(self, environment: int, origin: str) -> bool:
        """Return whether an environment lists an origin."""
        return await self._db.one(HAS, environment, origin) is not None

    async def any_has(self, origin: str) -> bool:
        """Return whether any environment lists an origin."""
        return await self._db.one(ANY_HAS, origin) is not None

    async def page(self, environment: int, query: PageQuery) -> tuple[list[CorsOriginRecord], bool, bool]:
        """Return one page, and whether there are items before and after it."""
        rows, before, after = await keyset_pagination.fetch(self._db, PAGE, query, environment)
        return [CorsOriginRecord(*row) for row in rows], before, after

    async def delete(self, environment: int, origin_id: str) -> bool:
        """Delete an origin; False if it does not exist."""
        return await self._db.run(DELETE, environment, origin_id) == 1
