"""Throttles in every store: the allowance, its refill, and concurrent charges."""

import asyncio
from typing import TYPE_CHECKING

from authfactor.store import Store, Unit

if TYPE_CHECKING:
    from tests.store.conftest import Backend

INTERVAL, ALLOWANCE = 100, 3


def charge(now: int, subject: str = "a") -> Unit[bool]:
    return lambda tx: tx.throttles.charge(1, subject, now, INTERVAL, ALLOWANCE)


async def test_allowance_is_available_immediately_and_refills_over_time(store: Store) -> None:
    assert [await store.write(charge(1000)) for _ in range(5)] == [True, True, True, False, False]
    assert [await store.write(charge(at)) for at in (1099, 1100, 1101, 1200)] == [False, True, False, True]
    assert [await store.write(charge(9000)) for _ in range(4)] == [True, True, True, False]
    assert await store.write(charge(1000, "b"))


async def test_refunded_charge_can_be_used_again(store: Store) -> None:
    assert [await store.write(charge(1000)) for _ in range(4)][-1] is False
    await store.write(lambda tx: tx.throttles.refund(1, "a", INTERVAL))
    assert [await store.write(charge(1000)) for _ in range(2)] == [True, False]


async def test_fifty_concurrent_charges_do_not_exceed_the_allowance(backend: "Backend") -> None:
    stores = [await backend.open(), await backend.open()]
    granted = await asyncio.gather(*(stores[racer % 2].write(charge(1000)) for racer in range(50)))
    assert sum(granted) == ALLOWANCE


async def test_only_expired_throttles_are_deleted(store: Store) -> None:
    await store.write(charge(1000, "old"))
    await store.write(charge(5000, "new"))
    assert await store.write(lambda tx: tx.expired_rows.throttles(1100)) == 1
    assert await store.read(lambda tx: tx.throttles.tat(1, "old")) == 0
    assert await store.read(lambda tx: tx.throttles.tat(1, "new")) == 5100
