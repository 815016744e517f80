"""A database of its own for each server of a run: what an earlier run left must not be measured."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg


class NoDatabase(Exception):
    """No database could be made."""


@contextmanager
def fresh(url: str) -> Iterator[str]:
    """Make a database on the server that `url` leads to, give its URL, and drop it at the end.

    Raises:
        NoDatabase: the server is not there, or does not let this user make databases.
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
