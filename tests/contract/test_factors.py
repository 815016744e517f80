"""Factors and challenges in any store: what is spent is spent once, however many try."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from authfactor.models import Factor
from authfactor.store import Store, Tx, Unit

if TYPE_CHECKING:
    from tests.contract.conftest import Backend, Rows

RACERS = 50


async def test_a_factor_comes_back_as_it_was_written(store: Store, rows: "Rows") -> None:
    factor = Factor("auth_factor_x", "user_x", "I", "a", "s", 2**41, 2**33, 2**42, 2**43)
    await rows.put(store, factor)
    assert await store.read(lambda tx: tx.factors.by_id(1, "auth_factor_x")) == factor
    alone = rows.factor(2, user_id=None)
    await rows.put(store, alone)
    assert await store.read(lambda tx: tx.factors.by_id(1, alone.id)) == alone
    assert await store.read(lambda tx: tx.factors.by_id(1, "auth_factor_y")) is None


async def test_a_users_factors_are_listed_oldest_first_without_those_of_others(
    store: Store, rows: "Rows"
) -> None:
    for number in (3, 1, 2):
        await rows.put(store, rows.factor(number))
    await rows.put(store, rows.factor(4, user_id="user_0002"))
    await rows.put(store, rows.factor(5, user_id=None))
    listed = await store.read(lambda tx: tx.factors.of_user(1, "user_0001"))
    assert listed == [rows.factor(1), rows.factor(2), rows.factor(3)]
    known = await store.read(lambda tx: tx.factors.ids_of_user(1, "user_0001"))
    assert known == [factor.id for factor in listed]


async def test_a_step_only_grows_and_the_first_activates(store: Store, rows: "Rows") -> None:
    factor = rows.factor(1)
    await rows.put(store, factor)

    async def unit(tx: Tx) -> list[bool]:
        steps = [(10, 1000), (10, 1001), (9, 1002), (12, 1003), (11, 1004), (12, 1005)]
        return [await tx.factors.advance_step(1, factor.id, step, now) for step, now in steps]

    assert await store.write(unit) == [True, False, False, True, False, False]
    found = await store.read(lambda tx: tx.factors.by_id(1, factor.id))
    assert found == msgspec.structs.replace(factor, activated_at=1000, last_step=12, updated_at=1003)
    assert not await store.write(lambda tx: tx.factors.advance_step(1, "auth_factor_0002", 13, 1006))


async def test_of_fifty_that_spend_one_step_one_wins(backend: "Backend", rows: "Rows") -> None:
    stores = [await backend.open(), await backend.open()]
    await rows.put(stores[0], rows.factor(1))

    def spend(racer: int) -> Unit[bool]:
        return lambda tx: tx.factors.advance_step(1, rows.factor(1).id, 5, racer)

    won = await asyncio.gather(*(stores[racer % 2].write(spend(racer)) for racer in range(RACERS)))
    assert won.count(True) == 1
    found = await stores[0].read(lambda tx: tx.factors.by_id(1, rows.factor(1).id))
    assert found is not None
    assert (found.last_step, found.activated_at) == (5, won.index(True))


async def test_a_secret_is_resealed_only_while_it_is_what_was_read(store: Store, rows: "Rows") -> None:
    factor = rows.factor(1, secret="first")
    await rows.put(store, factor)
    await store.write(lambda tx: tx.factors.reseal(1, factor.id, "other", "wrong"))
    await store.write(lambda tx: tx.factors.reseal(1, factor.id, "first", "second"))
    await store.write(lambda tx: tx.factors.reseal(1, factor.id, "first", "third"))
    found = await store.read(lambda tx: tx.factors.by_id(1, factor.id))
    assert found == msgspec.structs.replace(factor, secret="second")


async def test_deleting_removes_one_or_all_of_a_user(store: Store, rows: "Rows") -> None:
    for number in range(1, 5):
        user = "user_0002" if number == 4 else "user_0001"
        factor = rows.factor(number, user_id=user)
        await rows.put(store, factor)
    assert await store.write(lambda tx: tx.factors.delete(1, rows.factor(1).id))
    assert not await store.write(lambda tx: tx.factors.delete(1, rows.factor(1).id))
    assert await store.write(lambda tx: tx.factors.delete_of_user(1, "user_0001")) == 2
    assert await store.write(lambda tx: tx.factors.delete_of_user(1, "user_0001")) == 0
    assert await store.read(lambda tx: tx.factors.by_id(1, rows.factor(4).id)) is not None


async def test_a_challenge_comes_back_as_it_was_written(store: Store, rows: "Rows") -> None:
    challenge = rows.challenge(1, attempts=3, created_at=2**40, expires_at=2**41, verified_at=2**42)
    await rows.put(store, challenge)
    assert await store.read(lambda tx: tx.challenges.by_id(1, challenge.id)) == challenge
    assert await store.read(lambda tx: tx.challenges.by_id(1, "auth_challenge_0002")) is None


async def test_attempts_are_charged_up_to_the_limit_and_not_beyond(store: Store, rows: "Rows") -> None:
    challenge = rows.challenge(1)
    await rows.put(store, challenge)
    charged = [await store.write(lambda tx: tx.challenges.charge(1, challenge.id, 3)) for _ in range(5)]
    assert charged == [True, True, True, False, False]
    found = await store.read(lambda tx: tx.challenges.by_id(1, challenge.id))
    assert found == msgspec.structs.replace(challenge, attempts=3)
    assert not await store.write(lambda tx: tx.challenges.charge(1, "auth_challenge_0002", 3))


async def test_of_fifty_that_charge_at_once_no_more_than_the_limit_pass(
    backend: "Backend", rows: "Rows"
) -> None:
    stores = [await backend.open(), await backend.open()]
    challenge = rows.challenge(1)
    await rows.put(stores[0], challenge)
    charged = await asyncio.gather(
        *(
            stores[racer % 2].write(lambda tx: tx.challenges.charge(1, challenge.id, 5))
            for racer in range(RACERS)
        )
    )
    assert charged.count(True) == 5
    found = await stores[1].read(lambda tx: tx.challenges.by_id(1, challenge.id))
    assert found is not None
    assert found.attempts == 5


async def test_a_challenge_closes_once_and_takes_no_charge_afterwards(store: Store, rows: "Rows") -> None:
    challenge = rows.challenge(1)
    await rows.put(store, challenge)
    assert await store.write(lambda tx: tx.challenges.close(1, challenge.id, 70))
    assert not await store.write(lambda tx: tx.challenges.close(1, challenge.id, 80))
    assert not await store.write(lambda tx: tx.challenges.charge(1, challenge.id, 5))
    assert not await store.write(lambda tx: tx.challenges.close(1, "auth_challenge_0002", 80))
    found = await store.read(lambda tx: tx.challenges.by_id(1, challenge.id))
    assert found == msgspec.structs.replace(challenge, verified_at=70)


async def test_of_fifty_that_close_one_challenge_one_wins(backend: "Backend", rows: "Rows") -> None:
    stores = [await backend.open(), await backend.open()]
    challenge = rows.challenge(1)
    await rows.put(stores[0], challenge)

    def close(racer: int) -> Unit[bool]:
        return lambda tx: tx.challenges.close(1, challenge.id, racer)

    closed = await asyncio.gather(*(stores[racer % 2].write(close(racer)) for racer in range(RACERS)))
    assert closed.count(True) == 1
    found = await stores[1].read(lambda tx: tx.challenges.by_id(1, challenge.id))
    assert found is not None
    assert found.verified_at == closed.index(True)
