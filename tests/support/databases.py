"""Direct access to a database, as an attacker or an operator has it."""

import asyncio
import re
import sqlite3
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

import asyncpg

from authfactor.settings import Settings

T = TypeVar("T")


def sql(settings: Settings, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    """Run one statement (parameters as `?`) on a new connection."""
    path = settings.sqlite_path
    if path is not None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return connection.execute(statement, parameters).fetchall()

    async def run(connection: Any) -> list[tuple[object, ...]]:  # noqa: ANN401 - the driver ships no types
        numbered = re.sub(r"\?", lambda _: f"${next(numbers)}", statement)
        return [tuple(row) for row in await connection.fetch(numbered, *parameters)]

    numbers = iter(range(1, len(parameters) + 1))
    return _connected(settings.database_url, run)


def stored(settings: Settings) -> bytes:
    """Return all stored data: SQLite's files, write-ahead log included, or every value of every table."""
    path = settings.sqlite_path
    if path is not None:
        found = sorted(path.parent.glob(f"{path.name}*"))
        assert path.with_name(f"{path.name}-wal") in found
        return b"".join(file.read_bytes() for file in found)

    async def dump(connection: Any) -> bytes:  # noqa: ANN401 - the driver ships no types
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        values = [
            value
            for (name,) in tables
            for row in await connection.fetch(f'SELECT * FROM "{name}"')  # noqa: S608 - names of our own tables
            for value in row
        ]
        return b"\0".join(value if isinstance(value, bytes) else str(value).encode() for value in values)

    return _connected(settings.database_url, dump)


def _connected(url: str, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """Run `work` on a connection in a new event loop, because callers often run inside one."""

    async def inside() -> T:
        connection = await asyncpg.connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, inside()).result()
