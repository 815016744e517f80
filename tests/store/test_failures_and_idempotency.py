"""Counted failures and claimed idempotency keys in any store."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from authfactor.models import FailureRecord, IdempotencyClaim
from authfactor.store import Store, Tx, Unit
from authfactor.store.tables.idempotency import StoredClaim

if TYPE_CHECKING:
    from tests.store.conftest import Backend

RACERS = 50
NOTHING = FailureRecord((), 0, None)
CLAIM = IdempotencyClaim(1, b"\x00key\xff", b"\x00body\xff", 1000)


def charge(at: int, subject: str = "user_1") -> Unit[FailureRecord]:
    return lambda tx: tx.failures.charge(1, subject, at)


async def test_a_subject_without_failures_has_an_empty_record(store: Store) -> None:
    assert await store.read(lambda tx: tx.failures.of(1, "user_1")) == NOTHING


async def test_each_charge_adds_a_time_and_gives_the_record_with_it(store: Store) -> None:
    charged = [await store.write(charge(at)) for at in (100, 100, 99, 2**33)]
    assert charged == [
        FailureRecord((100,), 1, None),
        FailureRecord((100, 100), 2, None),
        FailureRecord((100, 100, 99), 3, None),
        FailureRecord((100, 100, 99, 2**33), 4, None),
    ]
    assert await store.read(lambda tx: tx.failures.of(1, "user_1")) == charged[-1]
    assert await store.read(lambda tx: tx.failures.of(1, "user_2")) == NOTHING


async def test_fifty_charges_at_once_are_all_counted(backend: "Backend") -> None:
    stores = [await backend.open(), await backend.open()]
    charged = await asyncio.gather(*(stores[racer % 2].write(charge(racer)) for racer in range(RACERS)))
    record = await stores[0].read(lambda tx: tx.failures.of(1, "user_1"))
    assert record.in_a_row == RACERS
    assert sorted(record.times) == list(range(RACERS))
    assert sorted(each.in_a_row for each in charged) == list(range(1, RACERS + 1))


async def test_a_record_is_replaced_and_a_charge_goes_on_from_there(store: Store) -> None:
    written = FailureRecord((7, 8), 90, 2**62)

    async def unit(tx: Tx) -> FailureRecord:
        await tx.failures.charge(1, "user_1", 1)
        await tx.failures.write(1, "user_1", written)
        return await tx.failures.charge(1, "user_1", 9)

    assert await store.write(unit) == FailureRecord((7, 8, 9), 91, 2**62)


async def test_a_charge_after_all_times_were_forgotten_adds_one_time(store: Store) -> None:
    async def unit(tx: Tx) -> FailureRecord:
        await tx.failures.charge(1, "user_1", 1)
        await tx.failures.write(1, "user_1", FailureRecord((), 90, None))
        return await tx.failures.charge(1, "user_1", 9)

    assert await store.write(unit) == FailureRecord((9,), 91, None)


async def test_an_empty_record_leaves_no_row(store: Store) -> None:
    async def unit(tx: Tx) -> bool:
        await tx.failures.charge(1, "user_1", 1)
        await tx.failures.write(1, "user_1", NOTHING)
        return await tx.failures.clear(1, "user_1")

    assert not await store.write(unit)


async def test_clearing_forgets_the_subject_and_nobody_else(store: Store) -> None:
    for subject in ("user_1", "user_2"):
        await store.write(charge(5, subject))
    assert await store.write(lambda tx: tx.failures.clear(1, "user_1"))
    assert not await store.write(lambda tx: tx.failures.clear(1, "user_1"))
    assert await store.read(lambda tx: tx.failures.of(1, "user_1")) == NOTHING
    assert await store.read(lambda tx: tx.failures.of(1, "user_2")) == FailureRecord((5,), 1, None)


def claim_and_keep(claim: IdempotencyClaim, now: int, answer: str) -> Unit[StoredClaim | None]:
    async def unit(tx: Tx) -> StoredClaim | None:
        kept = await tx.idempotency.claim(claim, now)
        await tx.idempotency.store_response(claim, answer)
        return kept

    return unit


async def test_a_key_is_claimed_once_and_keeps_the_answer(store: Store) -> None:
    assert await store.write(claim_and_keep(CLAIM, 10, "sealed")) is None
    later = IdempotencyClaim(1, CLAIM.key, b"other", 5000)
    assert await store.write(lambda tx: tx.idempotency.claim(later, 30)) == StoredClaim(
        CLAIM.body_hash, "sealed"
    )
    other_key = IdempotencyClaim(1, b"other key", CLAIM.body_hash, 1000)
    assert await store.write(lambda tx: tx.idempotency.claim(other_key, 30)) is None
    other_environment = IdempotencyClaim(2, CLAIM.key, CLAIM.body_hash, 1000)
    assert await store.write(lambda tx: tx.idempotency.claim(other_environment, 30)) is None


async def test_a_claim_without_an_answer_binds_nobody(store: Store) -> None:
    await store.write(lambda tx: tx.idempotency.claim(CLAIM, 10))
    later = IdempotencyClaim(1, CLAIM.key, b"other", 5000)
    kept = await store.write(claim_and_keep(later, 20, "sealed"))
    assert kept is None or kept.answer is None
    assert await store.write(lambda tx: tx.idempotency.claim(CLAIM, 30)) == StoredClaim(b"other", "sealed")


async def test_an_expired_claim_is_taken_over_without_its_answer(store: Store) -> None:
    await store.write(claim_and_keep(CLAIM, 10, "sealed"))
    second = IdempotencyClaim(1, CLAIM.key, b"second", 9000)
    assert await store.write(lambda tx: tx.idempotency.claim(second, 999)) == StoredClaim(
        CLAIM.body_hash, "sealed"
    )
    assert await store.write(claim_and_keep(second, 1000, "newer")) is None
    assert await store.write(lambda tx: tx.idempotency.claim(CLAIM, 1001)) == StoredClaim(b"second", "newer")
    assert await store.write(lambda tx: tx.idempotency.claim(CLAIM, 9000)) is None


async def test_of_fifty_that_claim_one_key_one_claims_and_the_others_get_its_answer(
    backend: "Backend",
) -> None:
    stores = [await backend.open(), await backend.open()]

    def claim(racer: int) -> Unit[str]:
        async def unit(tx: Tx) -> str:
            kept = await tx.idempotency.claim(CLAIM, 10)
            if kept is not None:
                return f"got {kept.answer}"
            await tx.idempotency.store_response(CLAIM, str(racer))
            return f"claimed {racer}"

        return unit

    answers = Counter(
        await asyncio.gather(*(stores[racer % 2].write(claim(racer)) for racer in range(RACERS)))
    )
    (winner,) = (answer.removeprefix("claimed ") for answer in answers if answer.startswith("claimed "))
    assert answers == {f"claimed {winner}": 1, f"got {winner}": RACERS - 1}
