"""Installations on real databases, with a clock and entropy that the test controls."""

import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from authfactor.core import Authfactor
from authfactor.crypto import passwords
from authfactor.settings import Settings
from tests.support.clock import FakeClock
from tests.support.installation import Installation, Opener
from tests.support.operators import OperatorAccount, first_token, set_up


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Create an empty database; every rule is tested on both backends."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_database"))
    shutil.copy(request.getfixturevalue("empty_database"), tmp_path / "authfactor.db")
    return ""


@pytest.fixture
async def open_installation(tmp_path: Path, database_url: str, clock: FakeClock) -> AsyncIterator[Opener]:
    """Return a function that opens an installation with given settings; all calls share the same data."""
    entropy = random.Random(20_240_229)
    opened: list[Authfactor] = []

    async def open_it(**settings: Any) -> Installation:  # noqa: ANN401 - any setting
        # A long wait for a connection, so that a busy machine fails no test.
        chosen = {"team_name": "Acme", "pool_wait": 20_000, **settings}
        af = await Authfactor.open(
            Settings(data=tmp_path, database_url=database_url, **chosen),
            clock=clock,
            entropy=entropy.randbytes,
            profile=passwords.CHEAPEST,
        )
        opened.append(af)
        first = await af.read(lambda tx: tx.environments.by_number(1))
        second = await af.read(lambda tx: tx.environments.by_number(2))
        if second is None:
            second = await af.run(af.environments.create("other", team_name="Other"))
        assert first is not None
        return Installation(af, clock, first, second)

    yield open_it
    for af in opened:
        await af.close()


@pytest.fixture
async def installation(open_installation: Opener) -> Installation:
    """Open with the default settings."""
    opened: Installation = await open_installation()
    return opened


@pytest.fixture
async def kim(installation: Installation) -> OperatorAccount:
    return await set_up(installation, await first_token(installation))
