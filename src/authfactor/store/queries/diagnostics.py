"""Reads of `authfactor doctor`, over all environments; each is paged or uses an index."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from authfactor.store.db import Db

SECRETS = """
SELECT environment, id, secret, user_id FROM factors
WHERE (environment, id) > ($1, $2) ORDER BY environment, id LIMIT $3
"""

NEWEST = """
SELECT created_at FROM {table} WHERE environment = $1 ORDER BY id DESC LIMIT 1
"""

# PostgreSQL only: SQLite has no clock of its own.
CLOCK = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"

TABLES = """
SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""

# In physical order: tables of other programs may have no key.
AS_TEXT = """
SELECT CAST(ctid AS TEXT), CAST(t AS TEXT) FROM {table} AS t
WHERE ctid > CAST(CAST($1 AS TEXT) AS tid) ORDER BY ctid LIMIT $2
"""

ENDPOINT_BACKLOGS = """
SELECT endpoint_id, COUNT(*), MIN(created_at) FROM deliveries
WHERE environment = $1 AND state = 'pending' AND created_at < $2 GROUP BY endpoint_id
"""

OPERATOR_COUNT = "SELECT COUNT(*) FROM operators"


class SealedSecret(NamedTuple):
    """A sealed secret and the row that it is bound to."""

    environment: int
    id: str
    sealed: str
    user_id: str | None


class EndpointBacklog(NamedTuple):
    """Pending deliveries of an endpoint: their number and the oldest's creation time (epoch milliseconds)."""

    endpoint_id: str
    waiting: int
    since: int


RECOVERY_CODES_BY_KEY = """
SELECT key_id, count(*) FROM recovery_codes WHERE used_at IS NULL GROUP BY key_id
"""


class Diagnostics:
    """Read-only statements of the doctor."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def secrets(self, environment: int, after: str, limit: int) -> list[SealedSecret]:
        """Return the next `limit` sealed factor secrets after the key (`environment`, `after`)."""
        return [SealedSecret(*row) for row in await self._db.all(SECRETS, environment, after, limit)]

    async def newest(self, environment: int) -> int:
        """Return the newest challenge's, factor's or event's creation time in epoch milliseconds, or 0."""
        rows = [
            await self._db.one(NEWEST.format(table=table), environment)
            for table in ("challenges", "factors", "events")
        ]
        return max((row[0] for row in rows if row), default=0)

    async def database_clock(self) -> int:
        """Return the database server's time in epoch milliseconds (PostgreSQL only)."""
        row = await self._db.one(CLOCK)
        return 0 if row is None else row[0]

    async def tables(self) -> list[str]:
        """Return the quoted names of all tables of the database (PostgreSQL only)."""
        return [row[0] for row in await self._db.all(TABLES)]

    async def rows_as_text(self, table: str, after: str, limit: int) -> list[tuple[str, str]]:
        """Return the next `limit` rows of a table as (ctid, text), after a ctid (PostgreSQL only)."""
        rows = await self._db.all(AS_TEXT.format(table=table), after or "(0,0)", limit)
        return [(row[0], row[1]) for row in rows]

    async def backlogs(self, environment: int, before: int) -> list[EndpointBacklog]:
        """Return the endpoints with pending deliveries created before this time (epoch milliseconds)."""
        return [EndpointBacklog(*row) for row in await self._db.all(ENDPOINT_BACKLOGS, environment, before)]

    async def operators(self) -> int:
        """Count the operators."""
        row = await self._db.one(OPERATOR_COUNT)
        return 0 if row is None else row[0]

    async def recovery_codes_by_key(self) -> dict[str, int]:
        """Count unused recovery codes by the key of their digests. Reads the whole table."""
        return {row[0]: row[1] for row in await self._db.all(RECOVERY_CODES_BY_KEY)}
