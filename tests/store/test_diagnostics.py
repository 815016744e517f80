"""What the doctor reads, in any store."""

import time
from typing import TYPE_CHECKING

import pytest

from authfactor.store import Store

if TYPE_CHECKING:
    from tests.store.conftest import Rows


async def test_secrets_come_in_pages_over_all_environments(store: Store, rows: "Rows") -> None:
    for number in (1, 2, 3):
        await rows.put(store, rows.factor(number))
    first = await store.read(lambda tx: tx.diagnostics.secrets(0, "", 2))
    assert [secret.id for secret in first] == [rows.factor(1).id, rows.factor(2).id]
    assert first[0] == (1, rows.factor(1).id, rows.factor(1).secret)
    rest = await store.read(lambda tx: tx.diagnostics.secrets(1, rows.factor(2).id, 2))
    assert [secret.id for secret in rest] == [rows.factor(3).id]
    assert await store.read(lambda tx: tx.diagnostics.secrets(1, rows.factor(3).id, 2)) == []


async def test_the_newest_row_and_what_is_not_there(store: Store, rows: "Rows") -> None:
    assert await store.read(lambda tx: tx.diagnostics.newest(1)) == 0
    await rows.put(store, rows.factor(1))
    assert await store.read(lambda tx: tx.diagnostics.newest(1)) == rows.factor(1).created_at
    assert await store.read(lambda tx: tx.diagnostics.newest(2)) == 0
    assert await store.read(lambda tx: tx.diagnostics.backlogs(1, 10**15)) == []
    assert await store.read(lambda tx: tx.diagnostics.operators()) == 0


async def test_postgresql_tells_its_time(store: Store) -> None:
    if not hasattr(store, "_pool"):
        pytest.skip("the embedded database has no clock of its own")
    theirs = await store.read(lambda tx: tx.diagnostics.database_clock())
    assert abs(theirs - time.time() * 1000) < 5_000
