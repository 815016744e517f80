"""A database seen from outside the product: what an intruder or an operator sees in it, and does to it."""

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
    """Run one statement (parameters as `?`) on a connection of its own."""
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
    """Everything that is kept: SQLite's files as they are, logs included, or every value of every table."""
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
    """Work on a connection of a loop of its own: those who ask are often inside one already."""

    async def inside() -> T:
        connection = await asyncpg.connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, inside()).result()
