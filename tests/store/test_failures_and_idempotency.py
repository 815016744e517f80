"""Failure counts and idempotency claims in every store."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from authfactor.models import FailureRecord, IdempotencyClaim
from authfactor.store import Store, Tx, Unit
from authfactor.store.tables.idempotency import StoredClaim

if TYPE_CHECKING:
    from tests.store.conftest import Backend

RACERS = 50
EMPTY = FailureRecord((), 0, None)
CLAIM = IdempotencyClaim(1, b"\x00key\xff", b"\x00body\xff", 1000)


def charge(at: int, subject: str = "user_1") -> Unit[FailureRecord]:
    return lambda tx: tx.failures.charge(1, subject, at)


async def test_a_subject_without_failures_has_an_empty_record(store: Store) -> None:
    assert await store.read(lambda tx: tx.failures.of(1, "user_1")) == EMPTY


async def test_each_charge_adds_a_time_and_returns_the_record(store: Store) -> None:
    charged = [await store.write(charge(at)) for at in (100, 100, 99, 2**33)]
    assert charged == [
        FailureRecord((100,), 1, None),
        FailureRecord((100, 100), 2, None),
        FailureRecord((100, 100, 99), 3, None),
        FailureRecord((100, 100, 99, 2**33), 4, None),
    ]
    assert await store.read(lambda tx: tx.failures.of(1, "user_1")) == charged[-1]
    assert await store.read(lambda tx: tx.failures.of(1, "user_2")) == EMPTY


async def test_fifty_concurrent_charges_are_all_counted(backend: "Backend") -> None:
    stores = [await backend.open(), await backend.open()]
    charged = await asyncio.gather(*(stores[racer % 2].write(charge(racer)) for racer in range(RACERS)))
    record = await stores[0].read(lambda tx: tx.failures.of(1, "user_1"))
    assert record.in_a_row == RACERS
    assert sorted(record.times) == list(range(RACERS))
    assert sorted(each.in_a_row for each in charged) == list(range(1, RACERS + 1))


async def test_charge_extends_a_replaced_record(store: Store) -> None:
    written = FailureRecord((7, 8), 90, 2**62)

    async def unit(tx: Tx) -> FailureRecord:
        await tx.failures.charge(1, "user_1", 1)
        await tx.failures.write(1, "user_1", written)
        return await tx.failures.charge(1, "user_1", 9)

    assert await store.write(unit) == FailureRecord((7, 8, 9), 91, 2**62)


async def test_charge_on_a_record_without_times_adds_one(store: Store) -> None:
    async def unit(tx: Tx) -> FailureRecord:
        await tx.failures.charge(1, "user_1", 1)
        await tx.failures.write(1, "user_1", FailureRecord((), 90, None))
        return await tx.failures.charge(1, "user_1", 9)

    assert await store.write(unit) == FailureRecord((9,), 91, None)


async def test_writing_an_empty_record_deletes_the_row(store: Store) -> None:
    async def unit(tx: Tx) -> bool:
        await tx.failures.charge(1, "user_1", 1)
        await tx.failures.write(1, "user_1", EMPTY)
        return await tx.failures.clear(1, "user_1")

    assert not await store.write(unit)


async def test_clear_removes_only_the_record_of_its_subject(store: Store) -> None:
    for subject in ("user_1", "user_2"):
        await store.write(charge(5, subject))
    assert await store.write(lambda tx: tx.failures.clear(1, "user_1"))
    assert not await store.write(lambda tx: tx.failures.clear(1, "user_1"))
    assert await store.read(lambda tx: tx.failures.of(1, "user_1")) == EMPTY
    assert await store.read(lambda tx: tx.failures.of(1, "user_2")) == FailureRecord((5,), 1, None)


def claim_and_store(claim: IdempotencyClaim, now: int, response: str) -> Unit[StoredClaim | None]:
    async def unit(tx: Tx) -> StoredClaim | None:
        earlier = await tx.idempotency.claim(claim, now)
        await tx.idempotency.store_response(claim, response)
        return earlier

    return unit


async def test_key_is_claimed_once_and_returns_the_stored_response(store: Store) -> None:
    assert await store.write(claim_and_store(CLAIM, 10, "sealed")) is None
    later = IdempotencyClaim(1, CLAIM.key, b"other", 5000)
    assert await store.write(lambda tx: tx.idempotency.claim(later, 30)) == StoredClaim(
        CLAIM.body_hash, "sealed"
    )
    other_key = IdempotencyClaim(1, b"other key", CLAIM.body_hash, 1000)
    assert await store.write(lambda tx: tx.idempotency.claim(other_key, 30)) is None
    other_environment = IdempotencyClaim(2, CLAIM.key, CLAIM.body_hash, 1000)
    assert await store.write(lambda tx: tx.idempotency.claim(other_environment, 30)) is None


async def test_claim_without_a_response_can_be_replaced(store: Store) -> None:
    await store.write(lambda tx: tx.idempotency.claim(CLAIM, 10))
    later = IdempotencyClaim(1, CLAIM.key, b"other", 5000)
    earlier = await store.write(claim_and_store(later, 20, "sealed"))
    assert earlier is None or earlier.answer is None
    assert await store.write(lambda tx: tx.idempotency.claim(CLAIM, 30)) == StoredClaim(b"other", "sealed")


async def test_expired_claim_is_replaced_without_its_response(store: Store) -> None:
    await store.write(claim_and_store(CLAIM, 10, "sealed"))
    second = IdempotencyClaim(1, CLAIM.key, b"second", 9000)
    assert await store.write(lambda tx: tx.idempotency.claim(second, 999)) == StoredClaim(
        CLAIM.body_hash, "sealed"
    )
    assert await store.write(claim_and_store(second, 1000, "newer")) is None
    assert await store.write(lambda tx: tx.idempotency.claim(CLAIM, 1001)) == StoredClaim(b"second", "newer")
    assert await store.write(lambda tx: tx.idempotency.claim(CLAIM, 9000)) is None


async def test_one_of_fifty_concurrent_claims_wins_and_others_get_its_response(
    backend: "Backend",
) -> None:
    stores = [await backend.open(), await backend.open()]

    def claim(racer: int) -> Unit[str]:
        async def unit(tx: Tx) -> str:
            earlier = await tx.idempotency.claim(CLAIM, 10)
            if earlier is not None:
                return f"got {earlier.answer}"
            await tx.idempotency.store_response(CLAIM, str(racer))
            return f"claimed {racer}"

        return unit

    outcomes = Counter(
        await asyncio.gather(*(stores[racer % 2].write(claim(racer)) for racer in range(RACERS)))
    )
    (winner,) = (each.removeprefix("claimed ") for each in outcomes if each.startswith("claimed "))
    assert outcomes == {f"claimed {winner}": 1, f"got {winner}": RACERS - 1}
