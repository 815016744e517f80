"""Fixtures of the store tests: databases of every backend, and rows to insert.

A new backend is one function in `BACKENDS`, which creates an empty database and returns its opener.
"""

import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest

from authfactor.models import (
    ApiKey,
    ChallengeRecord,
    Environment,
    EventRecord,
    FactorRecord,
    PageQuery,
    UserRecord,
)
from authfactor.settings import Settings
from authfactor.store import Store, Tx
from authfactor.store.opening import open_store
from authfactor.store.postgres.store import PostgresStore

Opener = Callable[[], Awaitable[Store]]
PageContent = tuple[list[str], bool, bool]


class Backend:
    """One database that a test may open several times; each store acts as a separate process."""

    def __init__(self, name: str, opener: Opener) -> None:
        self.name = name
        self._opener = opener
        self._opened: list[Store] = []

    async def open(self) -> Store:
        store = await self._opener()
        self._opened.append(store)
        return store

    async def close(self) -> None:
        for store in self._opened:
            await store.close()


class Rows:
    """Builds records with default fields that differ by a number."""

    async def put(self, store: Store, row: Environment | UserRecord | FactorRecord | ChallengeRecord) -> bool:
        """Insert a record, in environment 1 if it belongs to one; return False when it is refused."""

        async def unit(tx: Tx) -> bool:
            if isinstance(row, Environment):
                return await tx.environments.insert(row)
            if isinstance(row, UserRecord):
                return await tx.users.insert(1, row)
            if isinstance(row, FactorRecord):
                await tx.factors.insert(1, row)
            else:
                await tx.challenges.insert(1, row)
            return True

        return await store.write(unit)

    def environment(self, number: int, **changes: Any) -> Environment:  # noqa: ANN401 - any field
        values: dict[str, Any] = {
            "number": number,
            "client_id": f"client_{number}",
            "name": f"n{number}",
            "team_name": "Team",
            "mfa_policy": "off",
            "options": "{}",
            "created_at": 1,
            "updated_at": 1,
        }
        return Environment(**(values | changes))

    def api_key(self, environment: int, number: int, **changes: Any) -> ApiKey:  # noqa: ANN401 - any field
        values: dict[str, Any] = {
            "environment": environment,
            "id": f"api_key_{number}",
            "name": "key",
            "hint": "abcd",
            "created_at": 1,
            "last_used_at": None,
            "revoked_at": None,
        }
        return ApiKey(**(values | changes))

    def user(self, number: int, **changes: Any) -> UserRecord:  # noqa: ANN401 - any field
        values: dict[str, Any] = dict.fromkeys(UserRecord.__struct_fields__) | {
            "id": f"user_{number:04}",
            "email": f"u{number}@example.com",
            "email_verified": False,
            "metadata": "{}",
            "created_at": 1,
            "updated_at": 1,
        }
        return UserRecord(**(values | changes))

    def factor(self, number: int, **changes: Any) -> FactorRecord:  # noqa: ANN401 - any field
        values: dict[str, Any] = {
            "id": f"auth_factor_{number:04}",
            "user_id": "user_0001",
            "issuer": "Issuer",
            "account": "account",
            "secret": "sealed",
            "activated_at": None,
            "last_step": 0,
            "created_at": 1,
            "updated_at": 1,
        }
        return FactorRecord(**(values | changes))

    def challenge(self, number: int, **changes: Any) -> ChallengeRecord:  # noqa: ANN401 - any field
        values: dict[str, Any] = {
            "id": f"auth_challenge_{number:04}",
            "factor_id": "auth_factor_0001",
            "attempts": 0,
            "created_at": 1,
            "expires_at": 600_001,
            "verified_at": None,
        }
        return ChallengeRecord(**(values | changes))


class PaginationModel:
    """Keyset pagination of a small list: the expected content of every page."""

    @staticmethod
    def expected(ids: Sequence[str], query: PageQuery) -> PageContent:
        """Return the ids in the requested order, and whether more items exist before and after them."""
        listed = sorted(ids, reverse=query.order != "asc")
        # Cursors are positions in the listed order; under `normal`, `before` means older items, listed later.
        after, before = query.after, query.before
        if query.order == "normal":
            after, before = before, after
        start = listed.index(after) + 1 if after else 0
        end = listed.index(before) if before else len(listed)
        first = max(end - query.limit, 0) if before else start
        last = min(first + query.limit, end)
        page = listed[first:last]
        return page, bool(page) and first > 0, bool(page) and last < len(listed)

    @staticmethod
    def queries(ids: Sequence[str], order: Literal["asc", "desc", "normal"]) -> list[PageQuery]:
        """Return queries for every page of this list: limits up to its length, each item as either cursor."""
        return [
            query
            for limit in range(1, len(ids) + 2)
            for query in (
                PageQuery(limit, order),
                *(PageQuery(limit, order, before=cursor) for cursor in ids),
                *(PageQuery(limit, order, after=cursor) for cursor in ids),
            )
        ]

    @staticmethod
    def ids_of(page: tuple[Sequence[UserRecord | FactorRecord | EventRecord], bool, bool]) -> PageContent:
        """Reduce a page of a table to the form of the model."""
        items, more_before, more_after = page
        return [item.id for item in items], more_before, more_after


@pytest.fixture(scope="session")
def pagination() -> PaginationModel:
    return PaginationModel()


def _sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    path = tmp_path / "authfactor.db"
    shutil.copy(request.getfixturevalue("empty_database"), path)
    return lambda: open_store(Settings(data=tmp_path))


def _postgres(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    url = request.getfixturevalue("postgres_database")
    return lambda: open_store(Settings(data=tmp_path, database_url=url))


BACKENDS: dict[str, Callable[[pytest.FixtureRequest, Path], Opener]] = {
    "sqlite": _sqlite,
    "postgres": _postgres,
}


@pytest.fixture(params=list(BACKENDS))
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    opened = Backend(request.param, BACKENDS[request.param](request, tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
async def store(backend: Backend) -> Store:
    """Open the database once."""
    return await backend.open()


@pytest.fixture(scope="session")
def rows() -> Rows:
    return Rows()


class PostgresOpener(Protocol):
    """Opens a store that is closed at the end of the test."""

    def __call__(self, url: str, size: int = 8, wait: float = 1.5) -> PostgresStore: ...


@pytest.fixture
async def open_postgres() -> AsyncIterator[PostgresOpener]:
    opened: list[PostgresStore] = []

    def open_it(url: str, size: int = 8, wait: float = 1.5) -> PostgresStore:
        opened.append(PostgresStore(url, size=size, acquire_timeout=wait, jitter=random.random))
        return opened[-1]

    yield open_it
    for store in opened:
        await store.close()
