"""Fixtures: a console, and a signed-in owner."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.console import Browser, Console, opened


@pytest.fixture
async def console(empty_database: Path, tmp_path: Path) -> AsyncIterator[Console]:
    """Open a console with the default settings."""
    async with opened(empty_database, tmp_path) as opened_console:
        yield opened_console


@pytest.fixture
async def owner(console: Console) -> Browser:
    return await console.operator("owner")
