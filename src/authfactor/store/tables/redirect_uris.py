"""The URIs to which sign-ins of an environment may redirect."""

from typing import TYPE_CHECKING

from authfactor.models import PageQuery
from authfactor.models.hosted_sign_in import RedirectUriRecord
from authfactor.store.queries import keyset_pagination

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

COLUMNS = "id, uri, is_default, created_at, updated_at"

# Of any number of concurrent requests for a URI, one inserts it.
INSERT = f"""
INSERT INTO redirect_uris (environment, {COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""

BY_ID = f"SELECT {COLUMNS} FROM redirect_uris WHERE environment = $1 AND id = $2"

BY_URI = f"SELECT {COLUMNS} FROM redirect_uris WHERE environment = $1 AND uri = $2"

ALL = f"SELECT {COLUMNS} FROM redirect_uris WHERE environment = $1 ORDER BY id"

WITH_WILDCARD = f"""
SELECT {COLUMNS} FROM redirect_uris WHERE environment = $1 AND (uri LIKE '%*%' OR uri LIKE 'http://%')
ORDER BY id
"""

PAGE = keyset_pagination.Listing(f"SELECT {COLUMNS} FROM redirect_uris WHERE environment = $1", 1)

CLEAR_DEFAULT = """
UPDATE redirect_uris SET is_default = 0, updated_at = $2 WHERE environment = $1 AND is_default = 1
"""

SET_DEFAULT = "UPDATE redirect_uris SET is_default = 1, updated_at = $3 WHERE environment = $1 AND id = $2"

# The default stays; the row count tells a race with `SET_DEFAULT`.
DELETE = "DELETE FROM redirect_uris WHERE environment = $1 AND id = $2 AND is_default = 0"


class RedirectUrisTable:
    """The table `redirect_uris`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, record: RedirectUriRecord) -> bool:
        """Insert a URI; False if the environment has it already."""
        values = record.id, record.uri, int(record.is_default), record.created_at, record.updated_at
        return await self._db.run(INSERT, environment, *values) == 1

    async def by_id(self, environment: int, uri_id: str) -> RedirectUriRecord | None:
        """Return the row with this id, or None."""
        row = await self._db.one(BY_ID, environment, uri_id)
        return None if row is None else _redirect_uri(row)

    async def by_uri(self, environment: int, uri: str) -> RedirectUriRecord | None:
        """Return the row with exactly this URI, or None."""
        row = await self._db.one(BY_URI, environment, uri)
        return None if row is None else _redirect_uri(row)

    async def all(self, environment: int) -> list[RedirectUriRecord]:
        """Return all URIs of an environment, oldest first."""
        return [_redirect_uri(row) for row in await self._db.all(ALL, environment)]

    async def patterns(self, environment: int) -> list[RedirectUriRecord]:
        """Return those that may match other URIs than themselves: with `*`, or with plain HTTP."""
        return [_redirect_uri(row) for row in await self._db.all(WITH_WILDCARD, environment)]

    async def page(self, environment: int, query: PageQuery) -> tuple[list[RedirectUriRecord], bool, bool]:
        """Return one page, and whether there are items before and after it."""
        rows, before, after = await keyset_pagination.fetch(self._db, PAGE, query, environment)
        return [_redirect_uri(row) for row in rows], before, after

    async def set_default(self, environment: int, uri_id: str, now: int) -> bool:
        """Make a URI the default in place of the one that is; False if it does not exist."""
        await self._db.run(CLEAR_DEFAULT, environment, now)
        return await self._db.run(SET_DEFAULT, environment, uri_id, now) == 1

    async def delete(self, environment: int, uri_id: str) -> bool:
        """Delete a URI; False if it does not exist or is the default."""
        return await self._db.run(DELETE, environment, uri_id) == 1


def _redirect_uri(row: "Row") -> RedirectUriRecord:
    return RedirectUriRecord(row[0], row[1], bool(row[2]), row[3], row[4])
