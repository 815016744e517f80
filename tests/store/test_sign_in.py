"""Pending sign-ins, sessions, refresh tokens and signing keys in any store."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from authfactor.models import PageQuery, PendingSignIn, RefreshToken, SessionRecord, SigningKey
from authfactor.store import Store, Tx, Unit

if TYPE_CHECKING:
    from tests.store.conftest import Backend

RACERS = 50
TOKEN = b"\x00token\xff"
PENDING = PendingSignIn("user_1", b"\x00mark\xff", 10, 600, None)


def session(number: int, **changes: object) -> SessionRecord:
    plain = SessionRecord(
        f"session_{number:04}", "user_1", None, None, "password", "pwd", 1, None, 1, 1000, None, 1, 1
    )
    return msgspec.structs.replace(plain, **changes)


def put(made: SessionRecord) -> Unit[None]:
    return lambda tx: tx.sessions.insert(1, made)


async def test_a_pending_sign_in_comes_back_as_it_was_written(store: Store) -> None:
    await store.write(lambda tx: tx.pending_sign_ins.insert(1, TOKEN, PENDING))
    assert await store.read(lambda tx: tx.pending_sign_ins.by_hash(1, TOKEN)) == PENDING
    assert await store.read(lambda tx: tx.pending_sign_ins.by_hash(1, b"other")) is None


async def test_a_pending_sign_in_is_spent_once_and_only_before_it_expires(store: Store) -> None:
    async def unit(tx: Tx) -> list[bool]:
        await tx.pending_sign_ins.insert(1, TOKEN, PENDING)
        await tx.pending_sign_ins.insert(1, b"late", PENDING)
        return [
            await tx.pending_sign_ins.spend(1, b"late", 600),
            await tx.pending_sign_ins.spend(1, TOKEN, 599),
            await tx.pending_sign_ins.spend(1, TOKEN, 599),
            await tx.pending_sign_ins.spend(1, b"unknown", 599),
        ]

    assert await store.write(unit) == [False, True, False, False]
    found = await store.read(lambda tx: tx.pending_sign_ins.by_hash(1, TOKEN))
    assert found == msgspec.structs.replace(PENDING, spent_at=599)


async def test_of_fifty_that_spend_one_pending_sign_in_one_wins(backend: "Backend") -> None:
    stores = [await backend.open(), await backend.open()]
    await stores[0].write(lambda tx: tx.pending_sign_ins.insert(1, TOKEN, PENDING))
    spent = await asyncio.gather(
        *(
            stores[racer % 2].write(lambda tx: tx.pending_sign_ins.spend(1, TOKEN, 20))
            for racer in range(RACERS)
        )
    )
    assert spent.count(True) == 1


async def test_a_session_comes_back_as_it_was_written(store: Store) -> None:
    full = SessionRecord("s", "u", "::1", "agent ä", "password", "pwd otp", 2**40, 2**41, 3, 4, 5, 6, 7)
    for made in (full, session(1)):
        await store.write(put(made))
    assert await store.read(lambda tx: tx.sessions.by_id(1, "s")) == full
    assert await store.read(lambda tx: tx.sessions.by_id(1, session(1).id)) == session(1)
    assert await store.read(lambda tx: tx.sessions.by_id(1, "unknown")) is None


async def test_a_session_is_touched_until_it_ends_once(store: Store) -> None:
    made = session(1)

    async def unit(tx: Tx) -> list[bool]:
        await tx.sessions.insert(1, made)
        return [
            await tx.sessions.touch(1, made.id, 50),
            await tx.sessions.end(1, made.id, 60),
            await tx.sessions.end(1, made.id, 70),
            await tx.sessions.touch(1, made.id, 80),
            await tx.sessions.touch(1, "unknown", 80),
        ]

    assert await store.write(unit) == [True, True, False, False, False]
    found = await store.read(lambda tx: tx.sessions.by_id(1, made.id))
    assert found == msgspec.structs.replace(made, last_active_at=50, ended_at=60, updated_at=60)


async def test_only_sessions_that_run_are_listed_newest_first(store: Store) -> None:
    for made in (
        session(1),
        session(2, ended_at=5),
        session(3, expires_at=100),
        session(4),
        session(5, user_id="user_2"),
        session(6),
    ):
        await store.write(put(made))

    async def listed(query: PageQuery, now: int) -> tuple[list[str], bool, bool]:
        found = await store.read(lambda tx: tx.sessions.active_page(1, "user_1", query, now, -1))
        return [each.id[-1] for each in found[0]], found[1], found[2]

    assert await listed(PageQuery(), 99) == (["6", "4", "3", "1"], False, False)
    assert await listed(PageQuery(), 100) == (["6", "4", "1"], False, False)
    assert await listed(PageQuery(2), 99) == (["6", "4"], False, True)
    assert await listed(PageQuery(2, after="session_0004"), 99) == (["3", "1"], True, False)
    assert await listed(PageQuery(2, before="session_0003"), 99) == (["6", "4"], False, True)


async def test_a_users_sessions_are_removed_together(store: Store) -> None:
    for made in (session(1), session(2, ended_at=5), session(3, user_id="user_2")):
        await store.write(put(made))
    await store.write(lambda tx: tx.sessions.delete_of_user(1, "user_1"))
    left = await store.read(lambda tx: tx.db.all("SELECT id FROM sessions"))
    assert [row[0] for row in left] == [session(3).id]


async def test_a_refresh_token_is_spent_once_and_leaves_its_successor(store: Store) -> None:
    async def unit(tx: Tx) -> list[bool]:
        await tx.sessions.insert_refresh(1, TOKEN, "session_1", 5)
        return [
            await tx.sessions.spend_refresh(1, TOKEN, 7, "sealed"),
            await tx.sessions.spend_refresh(1, TOKEN, 8, "other"),
            await tx.sessions.spend_refresh(1, b"unknown", 8, "other"),
        ]

    assert await store.write(unit) == [True, False, False]
    found = await store.read(lambda tx: tx.sessions.refresh_by_hash(1, TOKEN))
    assert found == RefreshToken("session_1", 5, 7, "sealed")
    assert await store.read(lambda tx: tx.sessions.refresh_by_hash(1, b"unknown")) is None


async def test_of_fifty_that_refresh_at_once_one_wins_and_all_read_its_successor(backend: "Backend") -> None:
    stores = [await backend.open(), await backend.open()]
    await stores[0].write(lambda tx: tx.sessions.insert_refresh(1, TOKEN, "session_1", 5))

    def refresh(racer: int) -> Unit[tuple[bool, str | None]]:
        async def unit(tx: Tx) -> tuple[bool, str | None]:
            won = await tx.sessions.spend_refresh(1, TOKEN, 7, str(racer))
            found = await tx.sessions.refresh_by_hash(1, TOKEN)
            return won, found.successor if found else None

        return unit

    outcomes = await asyncio.gather(*(stores[racer % 2].write(refresh(racer)) for racer in range(RACERS)))
    (winner,) = (racer for racer, (won, _) in enumerate(outcomes) if won)
    assert {successor for _, successor in outcomes} == {str(winner)}


async def test_a_signing_key_is_published_until_it_retires(store: Store) -> None:
    keys = [SigningKey(f"key_{number}", "sealed", "certificate", 2**40, 2**41, None) for number in (1, 2, 3)]

    async def unit(tx: Tx) -> int:
        for key in reversed(keys):
            await tx.signing_keys.insert(1, key)
        await tx.signing_keys.insert(2, keys[0])
        return await tx.signing_keys.retire_others(1, "key_3", 500)

    assert await store.write(unit) == 2
    retired = [msgspec.structs.replace(key, retired_at=500) for key in keys[:2]]
    assert await store.read(lambda tx: tx.signing_keys.published(1, 499)) == [*retired, keys[2]]
    assert await store.read(lambda tx: tx.signing_keys.published(1, 500)) == [keys[2]]
    assert await store.read(lambda tx: tx.signing_keys.published(2, 500)) == [keys[0]]
    assert await store.write(lambda tx: tx.signing_keys.retire_others(1, "key_3", 900)) == 0
