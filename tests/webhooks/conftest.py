"""Installations with a clock that the test holds, couriers that run for a while, and receivers."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from authfactor.core import Authfactor
from authfactor.crypto import passwords
from authfactor.models import DeliveryRecord, Environment, PageQuery, UserRecord, WebhookEndpointRecord
from authfactor.settings import Settings
from authfactor.store import migrations
from authfactor.webhook_dispatcher import deliver_forever
from authfactor.wire.requests import CreateUser, UpdateUser
from authfactor.wire.webhooks import CreateWebhookEndpoint
from tests.postgres.server import migrated_database, postgres_database, postgres_server
from tests.webhooks.receiver import Receiver, receiving

__all__ = ["migrated_database", "postgres_database", "postgres_server"]

START = 1_700_000_000_000
PATIENCE = 30.0
USER_EVENTS = ["user.created", "user.updated", "user.deleted"]


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


class Sink:
    """One installation, and what the tests of this folder do with it."""

    def __init__(self, af: Authfactor, clock: FakeClock, environment: Environment) -> None:
        self.af = af
        self.clock = clock
        self.environment = environment
        self._users = 0

    async def endpoint(self, url: str, events: list[str] | None = None) -> WebhookEndpointRecord:
        request = CreateWebhookEndpoint(url, events or USER_EVENTS)
        return await self.af.run(self.af.webhooks.create(self.environment, request))

    async def user(self) -> UserRecord:
        self._users += 1
        request = CreateUser(email=f"user{self._users}@example.com")
        return await self.af.run(await self.af.users.prepare_create(self.environment, request))

    async def rename(self, user: UserRecord, name: str) -> None:
        await self.af.run(
            await self.af.users.prepare_update(self.environment, user.id, UpdateUser(first_name=name))
        )

    async def deliveries(self, state: Any = None) -> list[DeliveryRecord]:  # noqa: ANN401 - a state or None
        page = await self.af.read(
            self.af.deliveries.page(self.environment, PageQuery(limit=100, order="asc"), None, state)
        )
        return page.items

    async def event_ids(self) -> list[str]:
        return [
            row[0] for row in await self.af.read(lambda tx: tx.db.all("SELECT id FROM events ORDER BY id"))
        ]

    @contextlib.asynccontextmanager
    async def courier(self) -> AsyncIterator[None]:
        """Deliver for the length of the block; leaving it waits for what is on its way."""
        task = asyncio.create_task(deliver_forever(self.af))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def until(self, met: Callable[[], Any], what: str) -> None:
        """Wait until something is true; the limit only ends a test that would hang."""
        async with asyncio.timeout(PATIENCE):
            while True:
                result = met()
                if asyncio.iscoroutine(result):
                    result = await result
                if result:
                    return
                await asyncio.sleep(0.01)
        raise AssertionError(what)

    async def until_none_pending(self) -> None:
        async def met() -> bool:
            return not await self.deliveries("pending")

        await self.until(met, "deliveries stay pending")

    async def until_attempts(self, count: int) -> None:
        """Wait until so many attempts have been made and written down in all."""

        async def met() -> bool:
            return sum(item.attempts for item in await self.deliveries()) >= count

        await self.until(met, "attempts are not made")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrated once; tests work on copies."""
    path = tmp_path_factory.mktemp("empty") / "authfactor.db"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Make an empty database; every rule is tested on both kinds."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_database"))
    shutil.copy(request.getfixturevalue("empty_database"), tmp_path / "authfactor.db")
    return ""


@pytest.fixture
async def open_sink(tmp_path: Path, database_url: str, clock: FakeClock) -> AsyncIterator[Callable[..., Any]]:
    """Open the installation; opening it again stands for another process on the same database."""
    opened: list[Authfactor] = []

    async def open_it(**settings: Any) -> Sink:  # noqa: ANN401 - any setting
        chosen = {
            "database_url": database_url,
            "webhook_private_addresses": True,
            "webhook_timeout": 2,
            **settings,
        }
        af = await Authfactor.open(
            Settings(data=tmp_path, **chosen), clock=clock, entropy=os.urandom, profile=passwords.PRODUCTION
        )
        opened.append(af)
        return Sink(af, clock, (await af.read(lambda tx: tx.environments.all()))[0])

    yield open_it
    for af in opened:
        await af.close()


@pytest.fixture
async def sink(open_sink: Callable[..., Any]) -> Sink:
    made = await open_sink()
    assert isinstance(made, Sink)
    return made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made
