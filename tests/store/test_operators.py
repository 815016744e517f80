"""Operators: each statement writes the columns that it is about, and only in the state in which it may."""

import msgspec
import pytest

from authfactor.models import Operator, OperatorSession
from authfactor.store import Store

KIM = Operator("operator_1", "kim@example.org", "owner", "active", "hash", "factor_1", 5, 1, 10)
STATES = ("invited", "active", "disabled")


async def put(store: Store, **changes: object) -> Operator:
    operator = msgspec.structs.replace(KIM, **changes)
    assert await store.write(lambda tx: tx.operators.insert(operator))
    return operator


async def stored(store: Store) -> Operator:
    found = await store.read(lambda tx: tx.operators.by_id(KIM.id))
    assert found is not None
    return found


async def test_change_of_role_writes_role_and_version_alone(store: Store) -> None:
    before = await put(store)
    await store.write(lambda tx: tx.operators.set_role(KIM.id, "viewer", 20))
    assert await stored(store) == msgspec.structs.replace(before, role="viewer", updated_at=20)


async def test_version_grows_within_a_millisecond_and_when_the_clock_is_set_back(store: Store) -> None:
    await put(store)
    for now, version in ((10, 11), (3, 12), (12, 13), (14, 14)):
        await store.write(lambda tx, now=now: tx.operators.set_role(KIM.id, "viewer", now))  # type: ignore[misc]  # bound per change
        assert (await stored(store)).updated_at == version


async def test_sign_in_writes_its_time_alone(store: Store) -> None:
    before = await put(store)
    assert await store.write(lambda tx: tx.operators.record_sign_in(KIM.id, 20))
    assert await stored(store) == msgspec.structs.replace(before, last_sign_in_at=20)


@pytest.mark.parametrize("state", ["invited", "disabled"])
async def test_sign_in_of_an_operator_who_is_not_active_writes_nothing(store: Store, state: str) -> None:
    before = await put(store, state=state)
    assert not await store.write(lambda tx: tx.operators.record_sign_in(KIM.id, 20))
    assert await stored(store) == before


async def test_activation_writes_state_and_version_alone(store: Store) -> None:
    before = await put(store, state="invited", role="viewer")
    assert await store.write(lambda tx: tx.operators.activate(KIM.id, "factor_1", 20))
    assert await stored(store) == msgspec.structs.replace(before, state="active", updated_at=20)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "disabled"},
        {"state": "active"},
        {"state": "invited", "factor_id": "factor_2"},
        {"state": "invited", "factor_id": None},
        {"state": "invited", "password_hash": None},
    ],
)
async def test_operator_is_activated_only_as_invited_with_this_factor_and_a_password(
    store: Store, changes: dict[str, object]
) -> None:
    before = await put(store, **changes)
    assert not await store.write(lambda tx: tx.operators.activate(KIM.id, "factor_1", 20))
    assert await stored(store) == before


@pytest.mark.parametrize("state", STATES)
async def test_set_up_begins_only_for_an_invited_operator(store: Store, state: str) -> None:
    before = await put(store, state=state)
    email = "Kim@Example.org"
    begun = await store.write(lambda tx: tx.operators.begin_set_up(KIM.id, email, "new", "factor_2", 20))
    assert begun == (state == "invited")
    changed = {"email": email, "password_hash": "new", "factor_id": "factor_2", "updated_at": 20}
    assert await stored(store) == (msgspec.structs.replace(before, **changed) if begun else before)


async def test_set_up_with_an_email_that_is_taken_writes_nothing(store: Store) -> None:
    before = await put(store, state="invited")
    other = msgspec.structs.replace(KIM, id="operator_2", email="lee@example.org")
    assert await store.write(lambda tx: tx.operators.insert(other))
    assert not await store.write(
        lambda tx: tx.operators.begin_set_up(KIM.id, "LEE@example.org", "new", "factor_2", 20)
    )
    assert await stored(store) == before


async def test_withdrawal_removes_password_and_factor_alone(store: Store) -> None:
    before = await put(store)
    await store.write(lambda tx: tx.operators.withdraw(KIM.id, "disabled", 20))
    changed = {"state": "disabled", "password_hash": None, "factor_id": None, "updated_at": 20}
    assert await stored(store) == msgspec.structs.replace(before, **changed)


SESSION = OperatorSession("session_1", KIM.id, "::1", "browser", 1, 1, 100, None, 1)


async def session_of(store: Store, token_hash: bytes) -> OperatorSession | None:
    found = await store.read(lambda tx: tx.operator_sessions.live_by_hash(token_hash, 50, 0))
    return None if found is None else found[0]


async def test_renewed_session_has_the_new_token_alone(store: Store) -> None:
    await put(store)
    await store.write(lambda tx: tx.operator_sessions.insert(b"old", SESSION))
    assert await store.write(lambda tx: tx.operator_sessions.renew(b"old", b"new", 40))
    assert not await store.write(lambda tx: tx.operator_sessions.renew(b"old", b"newer", 41))
    assert await session_of(store, b"old") is None
    assert await session_of(store, b"new") == msgspec.structs.replace(SESSION, authenticated_at=40)


@pytest.mark.parametrize(("ended_at", "now"), [(30, 40), (None, 100)])
async def test_session_that_has_ended_or_expired_is_neither_renewed_nor_live(
    store: Store, ended_at: int | None, now: int
) -> None:
    await put(store)
    session = msgspec.structs.replace(SESSION, ended_at=ended_at)
    await store.write(lambda tx: tx.operator_sessions.insert(b"old", session))
    assert not await store.write(lambda tx: tx.operator_sessions.renew(b"old", b"new", now))
    assert await store.read(lambda tx: tx.operator_sessions.live_by_id(session.id, now)) is None
