"""A process that deletes for longer than half its lease renews it and goes on."""

import pytest

from authfactor import ids
from authfactor.rules.maintenance.retention import LEASE_MS
from authfactor.store import Tx
from authfactor.store.queries.retention import BATCH_ROWS, ExpiredRows
from tests.support.installation import Installation

ROWS = 2 * BATCH_ROWS


async def test_lease_is_renewed_during_a_long_deletion(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fill(tx: Tx) -> None:
        for number in range(ROWS):
            old_id = ids.CHALLENGE + ids.ulid(1000 + number, 0)
            await tx.db.run(
                "INSERT INTO challenges (environment, id, factor_id, attempts, created_at, expires_at)"
                " VALUES ($1, $2, 'auth_factor_1', 0, 1, 1)",
                1,
                old_id,
            )

    await installation.af.run(fill)
    original = ExpiredRows.challenges

    async def slow(self: ExpiredRows, environment: int, older_than: str) -> int:
        removed = await original(self, environment, older_than)
        installation.clock.advance(LEASE_MS / 2000 if removed else 0)
        return removed

    monkeypatch.setattr(ExpiredRows, "challenges", slow)
    assert await installation.af.retention.run(installation.af.store) == ROWS
    [(until,)] = installation.sql("SELECT ends_at FROM turns WHERE ends_at > 0")
    assert until == installation.clock.now + LEASE_MS
