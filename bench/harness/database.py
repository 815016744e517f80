"""A new database for each server of a run, without the rows of earlier runs."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg


class NoDatabase(Exception):
    """The database could not be created."""


@contextmanager
def fresh(url: str) -> Iterator[str]:
    """Create a database on the server at `url`, yield its URL, and drop it at the end.

    Raises:
        NoDatabase: the server is not reachable, or this user may not create databases.
    """
    name = f"bench_{secrets.token_hex(6)}"
    try:
        asyncio.run(_run(url, f"CREATE DATABASE {name}"))
    except (asyncpg.PostgresError, OSError) as error:
        message = f"no database could be made: {error}\nGive a user who may: ALTER ROLE … CREATEDB"
        raise NoDatabase(message) from error
    try:
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        asyncio.run(_run(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


async def _run(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
