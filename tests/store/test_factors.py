"""Factors and challenges in every store: steps, attempts and challenges are spent once."""

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from authfactor.models import FactorRecord, FailureRecord
from authfactor.store import CodeAttempt, SpendResult, Store, Tx, Unit
from authfactor.store.tables.challenges import CHARGE_AND_CLOSE, CLOSE
from authfactor.store.tables.factors import ADVANCE_STEP

if TYPE_CHECKING:
    from tests.store.conftest import Backend, Rows

RACERS = 50
# A statement that closes a challenge, and the attempts that it counts.
CLOSINGS = [pytest.param(CLOSE, 0, id="close"), pytest.param(CHARGE_AND_CLOSE, 1, id="charge and close")]
NOW = 500_000


async def test_factor_is_read_as_it_was_written(store: Store, rows: "Rows") -> None:
    factor = FactorRecord("auth_factor_x", "user_x", "I", "a", "s", 2**41, 2**33, 2**42, 2**43)
    await rows.put(store, factor)
    assert await store.read(lambda tx: tx.factors.by_id(1, "auth_factor_x")) == factor
    standalone = rows.factor(2, user_id=None)
    await rows.put(store, standalone)
    assert await store.read(lambda tx: tx.factors.by_id(1, standalone.id)) == standalone
    assert await store.read(lambda tx: tx.factors.by_id(1, "auth_factor_y")) is None


async def test_factors_of_a_user_are_listed_oldest_first(store: Store, rows: "Rows") -> None:
    for number in (3, 1, 2):
        await rows.put(store, rows.factor(number))
    await rows.put(store, rows.factor(4, user_id="user_0002"))
    await rows.put(store, rows.factor(5, user_id=None))
    listed = await store.read(lambda tx: tx.factors.of_user(1, "user_0001"))
    assert listed == [rows.factor(1), rows.factor(2), rows.factor(3)]
    known = await store.read(lambda tx: tx.factors.ids_of_user(1, "user_0001"))
    assert known == [factor.id for factor in listed]


async def test_last_step_only_increases_and_the_first_activates_the_factor(
    store: Store, rows: "Rows"
) -> None:
    factor = rows.factor(1)
    await rows.put(store, factor)

    async def unit(tx: Tx) -> list[int]:
        steps = [(10, 1000), (10, 1001), (9, 1002), (12, 1003), (11, 1004), (12, 1005)]
        return [
            await tx.db.run_while_matched((ADVANCE_STEP, (1, factor.id, step, now, 0, 0, 0)))
            for step, now in steps
        ]

    assert await store.write(unit) == [1, 0, 0, 1, 0, 0]
    found = await store.read(lambda tx: tx.factors.by_id(1, factor.id))
    assert found == msgspec.structs.replace(factor, activated_at=1000, last_step=12, updated_at=1003)
    unknown = (ADVANCE_STEP, (1, "auth_factor_0002", 13, 1006, 0, 0, 0))
    assert await store.write(lambda tx: tx.db.run_while_matched(unknown)) == 0


async def test_one_of_fifty_concurrent_spends_of_a_step_succeeds(backend: "Backend", rows: "Rows") -> None:
    """Each spend has its own challenge, as when one code is sent many times."""
    stores = [await backend.open(), await backend.open()]
    await rows.put(stores[0], rows.factor(1))
    for racer in range(RACERS):
        await rows.put(stores[0], rows.challenge(racer))

    def spend(racer: int) -> Unit[SpendResult]:
        async def run(tx: Tx) -> SpendResult:
            counted = await tx.attempts.charge(1, rows.challenge(racer).id, 3, NOW)
            assert counted is not None
            return await tx.attempts.spend(
                1, counted, 5, FailureRecord((), 0, None), NOW + racer, learned=(0, 0)
            )

        return run

    results = await asyncio.gather(*(stores[racer % 2].write(spend(racer)) for racer in range(RACERS)))
    assert sorted(results) == [SpendResult.STEP_USED] * (RACERS - 1) + [SpendResult.ALL]
    found = await stores[0].read(lambda tx: tx.factors.by_id(1, rows.factor(1).id))
    assert found is not None
    winner = results.index(SpendResult.ALL)
    assert (found.last_step, found.activated_at) == (5, NOW + winner)
    closed = await stores[1].read(lambda tx: tx.challenges.by_id(1, rows.challenge(winner).id))
    assert closed is not None
    assert closed.verified_at == NOW + winner


async def test_secret_is_resealed_only_if_it_is_unchanged(store: Store, rows: "Rows") -> None:
    factor = rows.factor(1, secret="first")
    await rows.put(store, factor)
    await store.write(lambda tx: tx.factors.reseal(1, factor.id, "other", "wrong"))
    await store.write(lambda tx: tx.factors.reseal(1, factor.id, "first", "second"))
    await store.write(lambda tx: tx.factors.reseal(1, factor.id, "first", "third"))
    found = await store.read(lambda tx: tx.factors.by_id(1, factor.id))
    assert found == msgspec.structs.replace(factor, secret="second")


async def test_delete_removes_one_factor_or_all_of_a_user(store: Store, rows: "Rows") -> None:
    for number in range(1, 5):
        user = "user_0002" if number == 4 else "user_0001"
        factor = rows.factor(number, user_id=user)
        await rows.put(store, factor)
    assert await store.write(lambda tx: tx.factors.delete(1, rows.factor(1).id))
    assert not await store.write(lambda tx: tx.factors.delete(1, rows.factor(1).id))
    assert await store.write(lambda tx: tx.factors.delete_of_user(1, "user_0001")) == 2
    assert await store.write(lambda tx: tx.factors.delete_of_user(1, "user_0001")) == 0
    assert await store.read(lambda tx: tx.factors.by_id(1, rows.factor(4).id)) is not None


async def test_challenge_is_read_as_it_was_written(store: Store, rows: "Rows") -> None:
    challenge = rows.challenge(1, attempts=3, created_at=2**40, expires_at=2**41, verified_at=2**42)
    await rows.put(store, challenge)
    assert await store.read(lambda tx: tx.challenges.by_id(1, challenge.id)) == challenge
    assert await store.read(lambda tx: tx.challenges.by_id(1, "auth_challenge_0002")) is None


def attempt(challenge_id: str, max_attempts: int = 3, now: int = NOW) -> Unit[CodeAttempt | None]:
    """Charge an attempt and write the record, as for a wrong code; None for an unknown challenge.

    Drops `stored`, in which the stores differ.
    """

    async def run(tx: Tx) -> CodeAttempt | None:
        counted = await tx.attempts.charge(1, challenge_id, max_attempts, now)
        if counted is None:
            return None
        await tx.attempts.write_without_spending(1, counted, counted.record)
        return counted._replace(stored=None)

    return run


def charge(challenge_id: str, max_attempts: int) -> Unit[bool | None]:
    """Charge an attempt; return whether the challenge had one left, None for an unknown challenge."""

    async def run(tx: Tx) -> bool | None:
        counted = await attempt(challenge_id, max_attempts)(tx)
        return counted and counted.charged

    return run


async def test_charging_an_attempt_returns_the_previous_challenge_and_factor(
    store: Store, rows: "Rows"
) -> None:
    factor = FactorRecord("auth_factor_x", "user_x", "I", "a", "s", 2**41, 2**33, 2**42, 2**43)
    challenge = msgspec.structs.replace(rows.challenge(1), factor_id=factor.id, expires_at=NOW + 1)
    await rows.put(store, factor)
    await rows.put(store, challenge)
    first = await store.write(attempt(challenge.id))
    assert first == CodeAttempt(challenge, factor, FailureRecord((NOW // 1000,), 1, None), True)
    second = await store.write(attempt(challenge.id))
    assert second is not None
    assert second.challenge.attempts == 1
    assert await store.read(lambda tx: tx.failures.of(1, "user_x")) == second.record
    assert second.record.in_a_row == 2


async def test_attempt_at_a_factor_without_a_user_counts_for_the_factor(store: Store, rows: "Rows") -> None:
    factor, challenge = rows.factor(1, user_id=None), rows.challenge(1, expires_at=NOW + 1)
    await rows.put(store, factor)
    await rows.put(store, challenge)
    await store.write(attempt(challenge.id))
    assert (await store.read(lambda tx: tx.failures.of(1, factor.id))).in_a_row == 1


@pytest.mark.parametrize("over", [{"expires_at": NOW}, {"expires_at": NOW + 1, "verified_at": NOW - 1}])
async def test_attempt_at_an_expired_or_verified_challenge_is_not_counted(
    store: Store, rows: "Rows", over: dict[str, int]
) -> None:
    factor, challenge = rows.factor(1), rows.challenge(1, **over)
    await rows.put(store, factor)
    await rows.put(store, challenge)
    counted = await store.write(attempt(challenge.id))
    assert counted == CodeAttempt(challenge, factor, FailureRecord((), 0, None), False)
    assert await store.read(lambda tx: tx.challenges.by_id(1, challenge.id)) == challenge
    assert await store.read(lambda tx: tx.failures.of(1, "user_0001")) == FailureRecord((), 0, None)


async def test_attempt_under_a_lock_does_not_charge_the_challenge(store: Store, rows: "Rows") -> None:
    factor, challenge = rows.factor(1), rows.challenge(1, expires_at=NOW + 2)
    await rows.put(store, factor)
    await rows.put(store, challenge)
    user, locked = factor.user_id or "", FailureRecord((5,), 1, NOW + 1)
    await store.write(lambda tx: tx.failures.charge(1, user, 5))
    await store.write(lambda tx: tx.failures.write(1, user, locked))
    counted = await store.write(attempt(challenge.id))
    assert counted == CodeAttempt(challenge, factor, FailureRecord((5, NOW // 1000), 2, NOW + 1), False)
    # The lock has ended at its end millisecond.
    counted = await store.write(attempt(challenge.id, now=NOW + 1))
    assert counted is not None
    assert (counted.record.in_a_row, counted.charged) == (3, True)
    found = await store.read(lambda tx: tx.challenges.by_id(1, challenge.id))
    assert found == msgspec.structs.replace(challenge, attempts=1)


async def test_attempts_are_charged_only_up_to_the_limit(store: Store, rows: "Rows") -> None:
    challenge = rows.challenge(1)
    await rows.put(store, challenge)
    await rows.put(store, rows.factor(1))
    charged = [await store.write(charge(challenge.id, 3)) for _ in range(5)]
    assert charged == [True, True, True, False, False]
    found = await store.read(lambda tx: tx.challenges.by_id(1, challenge.id))
    assert found == msgspec.structs.replace(challenge, attempts=3)
    assert not await store.write(charge("auth_challenge_0002", 3))


async def test_fifty_concurrent_charges_do_not_exceed_the_limit(backend: "Backend", rows: "Rows") -> None:
    stores = [await backend.open(), await backend.open()]
    challenge = rows.challenge(1)
    await rows.put(stores[0], challenge)
    await rows.put(stores[0], rows.factor(1))
    charged = await asyncio.gather(
        *(stores[racer % 2].write(charge(challenge.id, 5)) for racer in range(RACERS))
    )
    assert charged.count(True) == 5
    found = await stores[1].read(lambda tx: tx.challenges.by_id(1, challenge.id))
    assert found is not None
    assert found.attempts == 5


def close(statement: str, challenge_id: str, now: int) -> Unit[int]:
    """Close a challenge; return 1 if this call closed it, else 0."""
    return lambda tx: tx.db.run_while_matched((statement, (1, challenge_id, now, 7)))


@pytest.mark.parametrize(("statement", "attempts"), CLOSINGS)
async def test_challenge_closes_once_and_refuses_later_charges(
    store: Store, rows: "Rows", statement: str, attempts: int
) -> None:
    challenge = rows.challenge(1)
    await rows.put(store, challenge)
    await rows.put(store, rows.factor(1))
    assert await store.write(close(statement, challenge.id, 70)) == 1
    assert await store.write(close(statement, challenge.id, 80)) == 0
    assert not await store.write(charge(challenge.id, 5))
    assert await store.write(close(statement, "auth_challenge_0002", 80)) == 0
    found = await store.read(lambda tx: tx.challenges.by_id(1, challenge.id))
    assert found == msgspec.structs.replace(challenge, verified_at=70, attempts=attempts)


@pytest.mark.parametrize(("statement", "attempts"), CLOSINGS)
async def test_one_of_fifty_concurrent_closes_of_a_challenge_succeeds(
    backend: "Backend", rows: "Rows", statement: str, attempts: int
) -> None:
    stores = [await backend.open(), await backend.open()]
    challenge = rows.challenge(1)
    await rows.put(stores[0], challenge)
    closed = await asyncio.gather(
        *(stores[racer % 2].write(close(statement, challenge.id, racer)) for racer in range(RACERS))
    )
    assert sorted(closed) == [0] * (RACERS - 1) + [1]
    found = await stores[1].read(lambda tx: tx.challenges.by_id(1, challenge.id))
    assert found == msgspec.structs.replace(challenge, verified_at=closed.index(1), attempts=attempts)


async def test_step_of_a_verified_challenge_is_withdrawn_once_until_it_is_restored(
    store: Store, rows: "Rows"
) -> None:
    challenge = rows.challenge(1)
    await rows.put(store, challenge)

    async def unit(tx: Tx) -> list[int | None]:
        found = []
        for earliest, latest in ((0, 99), (71, 99), (0, 69), (70, 70), (70, 70)):
            step = await tx.challenges.withdraw_step(1, challenge.id, earliest, latest)
            found.append(step and step.step)
        await tx.challenges.restore_step(1, challenge.id)
        await tx.challenges.restore_step(1, challenge.id)
        again = await tx.challenges.withdraw_step(1, challenge.id, 70, 70)
        assert again is not None
        assert again.challenge == msgspec.structs.replace(challenge, verified_at=70)
        return [*found, again.step]

    assert await store.write(lambda tx: tx.challenges.withdraw_step(1, challenge.id, 0, 99)) is None
    assert await store.write(close(CLOSE, challenge.id, 70)) == 1
    assert await store.write(unit) == [7, None, None, None, None, 7]


async def test_one_of_fifty_concurrent_withdrawals_of_a_step_succeeds(
    backend: "Backend", rows: "Rows"
) -> None:
    stores = [await backend.open(), await backend.open()]
    challenge = rows.challenge(1)
    await rows.put(stores[0], challenge)
    await stores[0].write(close(CLOSE, challenge.id, 70))
    found = await asyncio.gather(
        *(
            stores[racer % 2].write(lambda tx: tx.challenges.withdraw_step(1, challenge.id, 0, 99))
            for racer in range(RACERS)
        )
    )
    assert sum(each is not None for each in found) == 1


async def test_attempt_has_the_other_secrets_that_no_enrollment_compared(store: Store, rows: "Rows") -> None:
    challenge = rows.challenge(1, expires_at=NOW + 1)
    await rows.put(store, challenge)
    await rows.put(store, rows.factor(1))
    for number in (2, 3):
        await rows.put(store, rows.factor(number, secret=f"v1:abcdef:{number}="))
    await rows.put(store, rows.factor(4, user_id="user_0002"))
    await rows.put(store, rows.factor(5, user_id=None))
    for by_older_release, expected in ((None, []), (2, [2]), (4, [2]), (1, [2, 3])):
        if by_older_release is not None:
            statement = "UPDATE factors SET secret_compared = 0 WHERE environment = 1 AND id = $1"
            factor_id = rows.factor(by_older_release).id
            await store.write(lambda tx, of=factor_id, run=statement: tx.db.run(run, of))  # type: ignore[misc]  # bound now
        counted = await store.write(attempt(challenge.id))
        assert counted is not None
        assert sorted(counted.other_secrets()) == [
            (rows.factor(number).id, f"v1:abcdef:{number}=") for number in expected
        ]


async def test_duplicates_step_only_increases_and_does_not_activate_it(store: Store, rows: "Rows") -> None:
    factor = rows.factor(1, last_step=5, activated_at=None)
    await rows.put(store, factor)
    for step in (4, 7, 6):
        await store.write(lambda tx, step=step: tx.attempts.spend_duplicate(1, factor.id, step))  # type: ignore[misc]  # bound now
    found = await store.read(lambda tx: tx.factors.by_id(1, factor.id))
    assert found == msgspec.structs.replace(factor, last_step=7)
