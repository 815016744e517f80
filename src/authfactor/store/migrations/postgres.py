"""Migrate PostgreSQL with exactly the SQL that `authfactor migrate --sql` prints, in one transaction.

asyncpg runs it, so neither a second driver nor a second parser of database URLs is needed.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import asyncpg

CONNECT_SECONDS: Final = 10
_MAX_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.25


async def upgrade(url: str, script_from: Callable[[str | None], str], head: str) -> str | None:
    """Run `script_from(version)` unless the schema is at `head` or later; return the previous version.

    Several processes may do this concurrently: the version row is locked while the schema changes. On an
    empty database, which has no such row, the second process to create the version table waits for the first,
    fails on its index, table or row type, whichever it reached, and on retry finds the schema up to date.
    """
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    try:
        for attempt in range(_MAX_ATTEMPTS):
            try:
                async with connection.transaction():
                    return await _upgrade_in_transaction(connection, script_from, head)
            except (
                asyncpg.UniqueViolationError,
                asyncpg.DuplicateTableError,
                asyncpg.DuplicateObjectError,
                asyncpg.SerializationError,
                asyncpg.DeadlockDetectedError,
            ):
                if attempt == _MAX_ATTEMPTS - 1:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)
        raise AssertionError("unreachable: the last attempt returns or raises")
    finally:
        await connection.close()


async def _upgrade_in_transaction(
    connection: Any,  # noqa: ANN401 - the driver ships no types
    script_from: Callable[[str | None], str],
    head: str,
) -> str | None:
    version: str | None = None
    if await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
        version = await connection.fetchval("SELECT version_num FROM alembic_version FOR UPDATE")
    if version is None or version < head:
        await connection.execute(script_from(version))
    return version
