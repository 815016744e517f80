"""Queries of `authfactor doctor` in every store."""

import time
from typing import TYPE_CHECKING

import pytest

from authfactor.store import Store

if TYPE_CHECKING:
    from tests.store.conftest import Rows


async def test_secrets_are_paged_across_all_environments(store: Store, rows: "Rows") -> None:
    for number in (1, 2, 3):
        await rows.put(store, rows.factor(number))
    first = await store.read(lambda tx: tx.diagnostics.secrets(0, "", 2))
    assert [secret.id for secret in first] == [rows.factor(1).id, rows.factor(2).id]
    assert first[0] == (1, rows.factor(1).id, rows.factor(1).secret, rows.factor(1).user_id)
    rest = await store.read(lambda tx: tx.diagnostics.secrets(1, rows.factor(2).id, 2))
    assert [secret.id for secret in rest] == [rows.factor(3).id]
    assert await store.read(lambda tx: tx.diagnostics.secrets(1, rows.factor(3).id, 2)) == []


async def test_newest_row_is_found_and_missing_rows_count_as_zero(store: Store, rows: "Rows") -> None:
    assert await store.read(lambda tx: tx.diagnostics.newest(1)) == 0
    await rows.put(store, rows.factor(1))
    assert await store.read(lambda tx: tx.diagnostics.newest(1)) == rows.factor(1).created_at
    assert await store.read(lambda tx: tx.diagnostics.newest(2)) == 0
    assert await store.read(lambda tx: tx.diagnostics.backlogs(1, 10**15)) == []
    assert await store.read(lambda tx: tx.diagnostics.operators()) == 0


async def test_clock_of_postgresql_is_close_to_ours(store: Store) -> None:
    if not hasattr(store, "_pool"):
        pytest.skip("SQLite has no clock of its own")
    database_time = await store.read(lambda tx: tx.diagnostics.database_clock())
    assert abs(database_time - time.time() * 1000) < 5_000
