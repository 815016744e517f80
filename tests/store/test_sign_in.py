"""Pending sign-ins, sessions, refresh tokens and signing keys in every store."""

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


def put(record: SessionRecord) -> Unit[None]:
    return lambda tx: tx.sessions.insert(1, record)


async def test_pending_sign_in_is_read_as_it_was_written(store: Store) -> None:
    await store.write(lambda tx: tx.pending_sign_ins.insert(1, TOKEN, PENDING))
    assert await store.read(lambda tx: tx.pending_sign_ins.by_hash(1, TOKEN)) == PENDING
    assert await store.read(lambda tx: tx.pending_sign_ins.by_hash(1, b"other")) is None


async def test_pending_sign_in_is_spent_once_and_before_it_expires(store: Store) -> None:
    async def unit(tx: Tx) -> list[bool]:
        await tx.pending_sign_ins.insert(1, TOKEN, PENDING)
        await tx.pending_sign_ins.insert(1, b"late", PENDING)
        return [
            await tx.pending_sign_ins.spend(1, b"late", 600, "late"),
            await tx.pending_sign_ins.spend(1, TOKEN, 599, "first"),
            await tx.pending_sign_ins.spend(1, TOKEN, 599, "second"),
            await tx.pending_sign_ins.spend(1, b"unknown", 599, "unknown"),
        ]

    assert await store.write(unit) == [False, True, False, False]
    found = await store.read(lambda tx: tx.pending_sign_ins.by_hash(1, TOKEN))
    assert found == msgspec.structs.replace(PENDING, spent_at=599)
    assert await store.read(lambda tx: tx.pending_sign_ins.answer(1, TOKEN, 0, 999)) == "first"
    assert await store.read(lambda tx: tx.pending_sign_ins.answer(1, b"late", 0, 999)) is None


async def test_answer_is_found_only_for_the_time_given_and_until_it_is_forgotten(store: Store) -> None:
    async def unit(tx: Tx) -> list[str | None]:
        await tx.pending_sign_ins.insert(1, TOKEN, PENDING)
        await tx.pending_sign_ins.insert(1, b"other", PENDING)
        for token in (TOKEN, b"other"):
            await tx.pending_sign_ins.spend(1, token, 500, "answer")
        ranges = [(500, 500), (0, 499), (501, 999)]
        found = [await tx.pending_sign_ins.answer(1, TOKEN, *times) for times in ranges]
        await tx.pending_sign_ins.forget_answer(1, TOKEN)
        return [*found, *[await tx.pending_sign_ins.answer(1, token, 0, 999) for token in (TOKEN, b"other")]]

    assert await store.write(unit) == ["answer", None, None, None, "answer"]


async def test_one_of_fifty_concurrent_spends_of_a_pending_sign_in_succeeds(backend: "Backend") -> None:
    stores = [await backend.open(), await backend.open()]
    await stores[0].write(lambda tx: tx.pending_sign_ins.insert(1, TOKEN, PENDING))
    spent = await asyncio.gather(
        *(
            stores[racer % 2].write(lambda tx: tx.pending_sign_ins.spend(1, TOKEN, 20, "answer"))
            for racer in range(RACERS)
        )
    )
    assert spent.count(True) == 1


async def test_session_is_read_as_it_was_written(store: Store) -> None:
    full = SessionRecord("s", "u", "::1", "agent ä", "password", "pwd otp", 2**40, 2**41, 3, 4, 5, 6, 7)
    for record in (full, session(1)):
        await store.write(put(record))
    assert await store.read(lambda tx: tx.sessions.by_id(1, "s")) == full
    assert await store.read(lambda tx: tx.sessions.by_id(1, session(1).id)) == session(1)
    assert await store.read(lambda tx: tx.sessions.by_id(1, "unknown")) is None


async def test_session_ends_once_and_is_touched_only_before(store: Store) -> None:
    record = session(1)

    async def unit(tx: Tx) -> list[bool]:
        await tx.sessions.insert(1, record)
        return [
            await tx.sessions.touch(1, record.id, 50),
            await tx.sessions.end(1, record.id, 60),
            await tx.sessions.end(1, record.id, 70),
            await tx.sessions.touch(1, record.id, 80),
            await tx.sessions.touch(1, "unknown", 80),
        ]

    assert await store.write(unit) == [True, True, False, False, False]
    found = await store.read(lambda tx: tx.sessions.by_id(1, record.id))
    assert found == msgspec.structs.replace(record, last_active_at=50, ended_at=60, updated_at=60)


async def test_only_active_sessions_are_listed_newest_first(store: Store) -> None:
    for record in (
        session(1),
        session(2, ended_at=5),
        session(3, expires_at=100),
        session(4),
        session(5, user_id="user_2"),
        session(6),
    ):
        await store.write(put(record))

    async def listed(query: PageQuery, now: int) -> tuple[list[str], bool, bool]:
        found = await store.read(lambda tx: tx.sessions.active_page(1, "user_1", query, now, -1))
        return [each.id[-1] for each in found[0]], found[1], found[2]

    assert await listed(PageQuery(), 99) == (["6", "4", "3", "1"], False, False)
    assert await listed(PageQuery(), 100) == (["6", "4", "1"], False, False)
    assert await listed(PageQuery(2), 99) == (["6", "4"], False, True)
    assert await listed(PageQuery(2, after="session_0004"), 99) == (["3", "1"], True, False)
    assert await listed(PageQuery(2, before="session_0003"), 99) == (["6", "4"], False, True)


async def test_deleting_the_sessions_of_a_user_leaves_those_of_others(store: Store) -> None:
    for record in (session(1), session(2, ended_at=5), session(3, user_id="user_2")):
        await store.write(put(record))
    await store.write(lambda tx: tx.sessions.delete_of_user(1, "user_1"))
    remaining = await store.read(lambda tx: tx.db.all("SELECT id FROM sessions"))
    assert [row[0] for row in remaining] == [session(3).id]


async def test_refresh_token_is_spent_once_and_stores_its_successor(store: Store) -> None:
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


async def test_fifty_concurrent_refreshes_all_read_one_successor(backend: "Backend") -> None:
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


async def test_signing_key_is_published_until_it_is_retired(store: Store) -> None:
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
