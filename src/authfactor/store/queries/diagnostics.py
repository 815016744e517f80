"""What `authfactor doctor` asks, over all environments: reads only, in pages or by an index."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from authfactor.store.db import Db

SECRETS = """
SELECT environment, id, secret FROM factors
WHERE (environment, id) > ($1, $2) ORDER BY environment, id LIMIT $3
"""

NEWEST = """
SELECT created_at FROM {table} WHERE environment = $1 ORDER BY id DESC LIMIT 1
"""

# PostgreSQL's own clock; the embedded database has none but ours.
CLOCK = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"

TABLES = """
SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""

# In the order they lie in: other programs' tables need not have a key.
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
    """A sealed secret and the row it is bound to."""

    environment: int
    id: str
    sealed: str


class EndpointBacklog(NamedTuple):
    """Deliveries of an endpoint that wait: how many, and since when (milliseconds of the epoch)."""

    endpoint_id: str
    waiting: int
    since: int


class Diagnostics:
    """Calls of the doctor."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def secrets(self, environment: int, after: str, limit: int) -> list[SealedSecret]:
        """Page through every factor's sealed secret, after this environment and id."""
        return [SealedSecret(*row) for row in await self._db.all(SECRETS, environment, after, limit)]

    async def newest(self, environment: int) -> int:
        """Return when the newest challenge, factor or event was made; 0 without any."""
        rows = [
            await self._db.one(NEWEST.format(table=table), environment)
            for table in ("challenges", "factors", "events")
        ]
        return max((row[0] for row in rows if row), default=0)

    async def database_clock(self) -> int:
        """Return the database server's time in milliseconds of the epoch (PostgreSQL only)."""
        row = await self._db.one(CLOCK)
        return 0 if row is None else row[0]

    async def tables(self) -> list[str]:
        """List every table of the database, quoted (PostgreSQL only)."""
        return [row[0] for row in await self._db.all(TABLES)]

    async def rows_as_text(self, table: str, after: str, limit: int) -> list[tuple[str, str]]:
        """Page through the rows of a table as text, each after its place (PostgreSQL only)."""
        rows = await self._db.all(AS_TEXT.format(table=table), after or "(0,0)", limit)
        return [(row[0], row[1]) for row in rows]

    async def backlogs(self, environment: int, before: int) -> list[EndpointBacklog]:
        """List the endpoints that have deliveries from before this time waiting."""
        return [EndpointBacklog(*row) for row in await self._db.all(ENDPOINT_BACKLOGS, environment, before)]

    async def operators(self) -> int:
        """Count the operators."""
        row = await self._db.one(OPERATOR_COUNT)
        return 0 if row is None else row[0]
