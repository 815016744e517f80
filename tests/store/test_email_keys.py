"""Keys of emails that an earlier release stored are recomputed, on every store."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from authfactor.email_identity import email_key
from authfactor.settings import Settings
from authfactor.store import Store, email_keys, migrations, opening
from authfactor.store.tables.leases import OUTDATED_EMAIL_KEYS
from tests.support import databases
from tests.support.postgres_server import PostgresServer

# The last schema of a release that compared emails by `str.casefold`.
BEFORE: Final = "0007"
COMPOSED, DECOMPOSED = "ceo@jos\u00e9.fr", "ceo@jose\u0301.fr"


class OldDatabase:
    """A database as the earlier release left it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stores: list[Store] = []

    def user(self, number: int, email: str, environment: int = 1) -> None:
        databases.sql(
            self.settings,
            "INSERT INTO users (environment, id, email, email_verified, metadata, created_at, updated_at,"
            " email_key) VALUES (?, ?, ?, 0, '{}', 1, 1, ?)",
            environment,
            f"user_{number}",
            email,
            email.casefold(),
        )

    def operator(self, number: int, email: str) -> None:
        databases.sql(
            self.settings,
            "INSERT INTO operators (id, email, email_key, role, state, created_at, updated_at)"
            " VALUES (?, ?, ?, 'viewer', 'invited', 1, 1)",
            f"operator_{number}",
            email,
            email.casefold(),
        )

    def keys(self, table: str = "users") -> dict[object, object]:
        """Return the stored keys by id."""
        return {row[0]: row[1] for row in databases.sql(self.settings, f"SELECT id, email_key FROM {table}")}  # noqa: S608 - a name of our own

    def is_marked(self) -> bool:
        return databases.sql(self.settings, "SELECT name FROM turns") == [(OUTDATED_EMAIL_KEYS,)]

    async def open(self) -> Store:
        """Start the new release; on PostgreSQL the schema has been migrated by hand, as SQL."""
        store = await opening.open_store(self.settings)
        self._stores.append(store)
        return store

    async def close(self) -> None:
        for store in self._stores:
            await store.close()


@pytest.fixture(params=["sqlite", "postgres"])
async def old(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OldDatabase]:
    """Make a database with the earlier schema; on PostgreSQL `authfactor migrate` is left to the test."""
    if request.param == "sqlite":
        path = tmp_path / "authfactor.db"
        migrations.upgrade(f"sqlite:///{path}", BEFORE)
        database = OldDatabase(Settings(data=tmp_path))
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        name = server.create_database()
        server.sql(migrations.script("postgresql", revision=BEFORE), name)
        database = OldDatabase(Settings(data=tmp_path, database_url=server.url(name)))
    yield database
    await database.close()


async def test_an_upgrade_recomputes_the_keys_of_users_and_operators(old: OldDatabase) -> None:
    emails = ["kim@example.org", "ceo@faß.de", "\u017fam@example.org", DECOMPOSED, "a@xn--mnchen-3ya.de"]
    for number, email in enumerate(emails):
        old.user(number, email)
        old.operator(number, email)
    assert await opening.upgrade(old.settings) == BEFORE
    expected = [email_key(email) for email in emails]
    assert old.keys() == {f"user_{number}": key for number, key in enumerate(expected)}
    assert old.keys("operators") == {f"operator_{number}": key for number, key in enumerate(expected)}
    assert not old.is_marked()
    store = await old.open()
    found = [await store.read(lambda tx, email=email: tx.users.by_email(1, email)) for email in emails]  # type: ignore[misc]  # bound per email
    assert [user.email for user in found if user is not None] == emails
    # What was one user is two addresses: the other one is free.
    assert await store.read(lambda tx: tx.users.by_email(1, "ceo@fass.de")) is None


async def test_a_start_after_the_printed_sql_recomputes_the_keys(
    old: OldDatabase, postgres_server: PostgresServer
) -> None:
    old.user(1, "ceo@faß.de")
    if old.settings.sqlite_path is None:
        script = opening.upgrade_script(old.settings, BEFORE)
        postgres_server.sql(script, old.settings.database_url.rpartition("/")[2])
        assert old.is_marked()
    await old.open()
    assert old.keys() == {"user_1": "ceo@faß.de"}
    assert not old.is_marked()


async def test_a_start_without_the_mark_reads_no_user(old: OldDatabase) -> None:
    await opening.upgrade(old.settings)
    old.user(1, "ceo@faß.de")  # by a server of the earlier release that is still running
    await old.open()
    assert old.keys() == {"user_1": "ceo@fass.de"}
    await opening.upgrade(old.settings)
    assert old.keys() == {"user_1": "ceo@faß.de"}


async def test_colliding_users_keep_their_keys_and_the_start_succeeds(
    old: OldDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    old.user(1, DECOMPOSED)
    old.user(2, COMPOSED)
    old.user(3, DECOMPOSED, environment=2)
    old.operator(1, DECOMPOSED)
    old.operator(2, COMPOSED)
    with caplog.at_level(logging.WARNING, "authfactor.store"):
        await opening.upgrade(old.settings)
    assert old.keys() == {"user_1": DECOMPOSED, "user_2": COMPOSED, "user_3": COMPOSED}
    assert old.keys("operators") == {"operator_1": DECOMPOSED, "operator_2": COMPOSED}
    assert [record.getMessage() for record in caplog.records] == [
        "2 users or operators have the same email as another one, spelled differently. Run: authfactor doctor"
    ]
    store = await old.open()
    user = await store.read(lambda tx: tx.users.by_email(1, DECOMPOSED))
    assert user is not None
    assert user.id == "user_2"
    left = await email_keys.outdated(store)
    assert [(row.environment, row.id) for row in left] == [(None, "operator_1"), (1, "user_1")]


async def test_of_colliding_users_without_the_key_the_oldest_gets_it(old: OldDatabase) -> None:
    old.user(2, "ceo@xn--fa-hia.de")
    old.user(1, "ceo@faß.de")
    await opening.upgrade(old.settings)
    assert old.keys() == {"user_1": "ceo@faß.de", "user_2": "ceo@xn--fa-hia.de"}


async def test_a_key_that_another_user_gives_up_is_taken(old: OldDatabase) -> None:
    old.user(1, "ceo@\uff46ass.de")  # mapped to `fass.de`, the key that user 2 has until it is recomputed
    old.user(2, "ceo@faß.de")
    await opening.upgrade(old.settings)
    assert old.keys() == {"user_1": "ceo@fass.de", "user_2": "ceo@faß.de"}


async def test_ten_processes_recompute_the_keys_at_once(old: OldDatabase) -> None:
    for number in range(30):
        old.user(number, f"u{number}@faß.de")
    await opening.upgrade(old.settings)
    databases.sql(old.settings, "UPDATE users SET email_key = replace(email, 'ß', 'ss')")
    assert old.keys()["user_7"] == "u7@fass.de"
    stores = [opening.open_existing_store(old.settings) for _ in range(10)]
    try:
        assert await asyncio.gather(*(email_keys.recompute(store) for store in stores)) == [[]] * 10
    finally:
        for store in stores:
            await store.close()
    assert old.keys() == {f"user_{number}": f"u{number}@faß.de" for number in range(30)}


async def test_every_page_of_users_is_looked_at(old: OldDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email_keys, "_PAGE", 2)
    for number in range(5):
        old.user(number, f"u{number}@faß.de", environment=1 + number % 2)
    await opening.upgrade(old.settings)
    assert set(old.keys().values()) == {f"u{number}@faß.de" for number in range(5)}


def test_a_copy_of_an_empty_database_starts_with_the_mark(empty_database: Path, tmp_path: Path) -> None:
    shutil.copy(empty_database, tmp_path / "authfactor.db")
    assert OldDatabase(Settings(data=tmp_path)).is_marked()
