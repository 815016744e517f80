"""Fixtures: installations with a fake clock on both stores, and a webhook receiver."""

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
    """Create an empty database; every rule is tested on both stores."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_database"))
    shutil.copy(request.getfixturevalue("empty_database"), tmp_path / "authfactor.db")
    return ""


@pytest.fixture
async def open_installation(
    tmp_path: Path, database_url: str, clock: FakeClock
) -> AsyncIterator[Callable[..., Any]]:
    """Return a function that opens the installation; a second call stands for another process."""
    open_instances: list[Authfactor] = []

    async def open_database(**settings: Any) -> WebhookInstallation:  # noqa: ANN401 - any setting
        values = {
            "database_url": database_url,
            "webhook_private_addresses": True,
            "webhook_timeout": 2,
            **settings,
        }
        af = await Authfactor.open(
            Settings(data=tmp_path, **values), clock=clock, entropy=os.urandom, profile=passwords.PRODUCTION
        )
        open_instances.append(af)
        return WebhookInstallation(af, clock, (await af.read(lambda tx: tx.environments.all()))[0])

    yield open_database
    for af in open_instances:
        await af.close()


@pytest.fixture
async def installation(open_installation: Callable[..., Any]) -> WebhookInstallation:
    opened_installation = await open_installation()
    assert isinstance(opened_installation, WebhookInstallation)
    return opened_installation


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as webhook_receiver:
        yield webhook_receiver
