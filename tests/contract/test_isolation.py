"""No call of any table reaches into another environment, even with an id that exists there."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from authfactor.models import Claim, FailureRecord, PageQuery
from authfactor.store import Store, Tx

if TYPE_CHECKING:
    from tests.contract.conftest import Rows

USER, FACTOR, CHALLENGE, KEY = "user_0001", "auth_factor_0001", "auth_challenge_0001", "api_key_1"
HERE, THERE = 1, 2
TABLES = ("api_keys", "users", "factors", "challenges", "failures", "idempotency", "events")

READS: dict[str, tuple[Callable[[Tx], Awaitable[object]], object]] = {
    "api_keys.of_environment": (lambda tx: tx.api_keys.of_environment(THERE), []),
    "users.by_id": (lambda tx: tx.users.by_id(THERE, USER), None),
    "users.lock": (lambda tx: tx.users.lock(THERE, USER), None),
    "users.by_email": (lambda tx: tx.users.by_email(THERE, "u1@example.com"), None),
    "users.by_external_id": (lambda tx: tx.users.by_external_id(THERE, "x"), None),
    "users.page": (lambda tx: tx.users.page(THERE, PageQuery(), None), ([], False, False)),
    "users.page by email": (
        lambda tx: tx.users.page(THERE, PageQuery(), "u1@example.com"),
        ([], False, False),
    ),
    "factors.by_id": (lambda tx: tx.factors.by_id(THERE, FACTOR), None),
    "factors.of_user": (lambda tx: tx.factors.of_user(THERE, USER), []),
    "factors.page": (lambda tx: tx.factors.page(THERE, USER, PageQuery()), ([], False, False)),
    "challenges.by_id": (lambda tx: tx.challenges.by_id(THERE, CHALLENGE), None),
    "failures.of": (lambda tx: tx.failures.of(THERE, USER), FailureRecord((), 0, None)),
}
WRITES: dict[str, tuple[Callable[[Tx, "Rows"], Awaitable[object]], object]] = {
    "api_keys.revoke": (lambda tx, _: tx.api_keys.revoke(THERE, KEY, 9), False),
    "api_keys.touch": (lambda tx, _: tx.api_keys.touch(THERE, KEY, 9), None),
    "users.update": (lambda tx, rows: tx.users.update(THERE, rows.user(1, name="changed")), False),
    "users.signed_in": (lambda tx, _: tx.users.signed_in(THERE, USER, 9), None),
    "users.rehashed": (lambda tx, _: tx.users.rehashed(THERE, USER, "hash", "new"), False),
    "users.delete": (lambda tx, _: tx.users.delete(THERE, USER), False),
    "factors.advance_step": (lambda tx, _: tx.factors.advance_step(THERE, FACTOR, 9, 9), False),
    "factors.reseal": (lambda tx, _: tx.factors.reseal(THERE, FACTOR, "sealed", "new"), None),
    "factors.delete": (lambda tx, _: tx.factors.delete(THERE, FACTOR), False),
    "factors.delete_of_user": (lambda tx, _: tx.factors.delete_of_user(THERE, USER), 0),
    "challenges.charge": (lambda tx, _: tx.challenges.charge(THERE, CHALLENGE, 5), False),
    "challenges.close": (lambda tx, _: tx.challenges.close(THERE, CHALLENGE, 9), False),
    "failures.write": (
        lambda tx, _: tx.failures.write(THERE, USER, FailureRecord((9,), 9, 9)),
        None,
    ),
    "failures.clear": (lambda tx, _: tx.failures.clear(THERE, USER), False),
    "idempotency.keep": (lambda tx, _: tx.idempotency.keep(Claim(THERE, b"k", b"b", 9), "new"), None),
}


async def fill(tx: Tx, rows: "Rows", environment: int) -> None:
    await tx.api_keys.insert(rows.api_key(environment, 1), b"hash %d" % environment)
    await tx.users.insert(environment, rows.user(1, external_id="x", password_hash="hash"))
    await tx.factors.insert(environment, rows.factor(1))
    await tx.challenges.insert(environment, rows.challenge(1))
    await tx.failures.charge(environment, USER, 5)
    await tx.idempotency.claim(Claim(environment, b"k", b"b", 9), 1)
    await tx.events.append(environment, "event_1", "x", None, "{}", 1)


async def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Everything that is in the tables."""

    async def unit(tx: Tx) -> dict[str, list[tuple[object, ...]]]:
        return {
            table: [tuple(row) for row in await tx.db.all(f"SELECT * FROM {table} ORDER BY environment")]  # noqa: S608 - names from above
            for table in TABLES
        }

    return await store.read(unit)


@pytest.fixture
async def filled(store: Store, rows: "Rows") -> Store:
    await rows.put(store, rows.environment(HERE))
    await rows.put(store, rows.environment(THERE))
    await store.write(lambda tx: fill(tx, rows, HERE))
    return store


@pytest.mark.parametrize("call", READS)
async def test_what_is_here_is_not_found_there(filled: Store, call: str) -> None:
    unit, nothing = READS[call]
    assert await filled.write(unit) == nothing


@pytest.mark.parametrize("call", WRITES)
async def test_what_is_here_is_not_changed_from_there(filled: Store, rows: "Rows", call: str) -> None:
    unit, nothing = WRITES[call]
    before = await contents(filled)
    assert await filled.write(lambda tx: unit(tx, rows)) == nothing
    assert await contents(filled) == before


async def test_the_same_ids_live_side_by_side(filled: Store, rows: "Rows") -> None:
    before = await contents(filled)
    await filled.write(lambda tx: fill(tx, rows, THERE))
    after = await contents(filled)
    for table in TABLES:
        assert [row for row in after[table] if row[0] == HERE] == before[table]
        assert len(after[table]) == 2
    assert await filled.write(lambda tx: tx.factors.advance_step(THERE, FACTOR, 9, 9))
    here = await filled.read(lambda tx: tx.factors.by_id(HERE, FACTOR))
    assert here == rows.factor(1)


def test_every_call_that_takes_an_environment_is_listed_here() -> None:
    """A call added to a table must be added above."""
    # These make a row in the environment they name, or find a caller by the hash of a secret.
    creators = {"insert", "append", "charge", "claim", "active_by_hash"}
    named = {name.split(" ")[0] for name in (*READS, *WRITES)}
    for table in TABLES:
        owner = next(cls for cls in map(type, _tables()) if cls.__module__.endswith(f".{table}"))
        calls = {name for name in vars(owner) if not name.startswith("_")}
        assert {f"{table}.{call}" for call in calls - creators} <= named


def _tables() -> list[object]:
    tx = Tx(None)  # type: ignore[arg-type]  # only the classes are looked at
    return [getattr(tx, table) for table in TABLES]
