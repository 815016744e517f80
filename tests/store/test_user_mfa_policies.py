"""Deadlines of grace in every store: written once, ended once, given again by an operator alone."""

import asyncio

from authfactor.store import Store

USER, OTHER = "user_1", "user_2"
RACERS = 50


async def test_one_of_many_deadlines_is_written(store: Store) -> None:
    written = await asyncio.gather(
        *(
            store.write(lambda tx, at=at: tx.user_mfa_policies.start_grace(1, USER, 100 + at, at))  # type: ignore[misc]  # bound per write
            for at in range(RACERS)
        )
    )
    assert written.count(True) == 1
    found = await store.read(lambda tx: tx.user_mfa_policies.of(1, USER))
    assert found is not None
    assert found.grace_until == 100 + written.index(True)


async def test_no_deadline_is_written_after_a_factor_or_an_end(store: Store) -> None:
    await store.write(lambda tx: tx.user_mfa_policies.record_held_factor(1, USER, 1))
    assert not await store.write(lambda tx: tx.user_mfa_policies.start_grace(1, USER, 9, 2))
    assert not await store.write(lambda tx: tx.user_mfa_policies.end_grace(1, USER, 2))
    await store.write(lambda tx: tx.user_mfa_policies.grant_grace(1, USER, 9, 3))
    found = await store.read(lambda tx: tx.user_mfa_policies.of(1, USER))
    assert found is not None
    assert (found.grace_until, found.grace_granted_at, found.held_factor_at) == (9, 3, None)
    ended = await asyncio.gather(
        *(store.write(lambda tx: tx.user_mfa_policies.end_grace(1, USER, 4)) for _ in range(RACERS))
    )
    assert ended.count(True) == 1
    assert not await store.write(lambda tx: tx.user_mfa_policies.start_grace(1, USER, 99, 5))


async def test_decision_leaves_the_deadline_and_the_other_user(store: Store) -> None:
    for user in (USER, OTHER):
        await store.write(lambda tx, user=user: tx.user_mfa_policies.start_grace(1, user, 9, 1))  # type: ignore[misc]  # bound per write
    await store.write(lambda tx: tx.user_mfa_policies.set_policy(1, USER, "exempt", 7, "robot", 2))
    found = await store.read(lambda tx: tx.user_mfa_policies.of(1, USER))
    assert found is not None
    assert (found.policy, found.until, found.reason, found.grace_until) == ("exempt", 7, "robot", 9)
    assert (found.own(6), found.own(7)) == ("exempt", "default")
    assert await store.write(lambda tx: tx.user_mfa_policies.delete(1, USER))
    assert await store.read(lambda tx: tx.user_mfa_policies.of(1, USER)) is None
    assert await store.read(lambda tx: tx.user_mfa_policies.of(1, OTHER)) is not None
