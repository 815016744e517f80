"""Migrating PostgreSQL: the very SQL that `authfactor migrate --sql` prints, in one transaction.

The service's own driver runs it, so no second driver and no second way to read a database URL is needed.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import asyncpg

CONNECT_SECONDS: Final = 10
_MAX_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.25


async def upgrade(url: str, script_from: Callable[[str | None], str], head: str) -> str | None:
    """Run `script_from(version)` unless the schema is at `head` or beyond; return the version found.

    Several processes may do this at once. The row of the version is held while the schema changes; on an
    empty database, where there is no row yet, the second to create the version's table waits for the
    first, fails at its index, its table or its row type, as far as it had come, and then finds the work done.
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
        raise AssertionError("unreachable: the last turn returns or raises")
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
