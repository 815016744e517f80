"""Installations with a clock that the test holds, dispatchers that run for a while, and receivers."""

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from authfactor.core import Authfactor
from authfactor.crypto import passwords
from authfactor.settings import Settings
from tests.support.clock import FakeClock
from tests.support.webhook_installation import WebhookInstallation
from tests.support.webhook_receiver import Receiver, receiving


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Make an empty database; every rule is tested on both kinds."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_database"))
    shutil.copy(request.getfixturevalue("empty_database"), tmp_path / "authfactor.db")
    return ""


@pytest.fixture
async def open_installation(
    tmp_path: Path, database_url: str, clock: FakeClock
) -> AsyncIterator[Callable[..., Any]]:
    """Open the installation; opening it again stands for another process on the same database."""
    opened: list[Authfactor] = []

    async def open_it(**settings: Any) -> WebhookInstallation:  # noqa: ANN401 - any setting
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
        return WebhookInstallation(af, clock, (await af.read(lambda tx: tx.environments.all()))[0])

    yield open_it
    for af in opened:
        await af.close()


@pytest.fixture
async def installation(open_installation: Callable[..., Any]) -> WebhookInstallation:
    made = await open_installation()
    assert isinstance(made, WebhookInstallation)
    return made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made
