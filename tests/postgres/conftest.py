"""The temporary PostgreSQL and stores on it, for every test of this folder."""

import random
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from authfactor.store.postgres.store import PostgresStore


class StoreOn(Protocol):
    """Opens a store that is closed at the end of the test."""

    def __call__(self, url: str, size: int = 8, wait: float = 1.5) -> PostgresStore: ...


@pytest.fixture
async def store_on() -> AsyncIterator[StoreOn]:
    opened: list[PostgresStore] = []

    def store(url: str, size: int = 8, wait: float = 1.5) -> PostgresStore:
        opened.append(PostgresStore(url, size=size, acquire_timeout=wait, jitter=random.random))
        return opened[-1]

    yield store
    for one in opened:
        await one.close()
