"""Environments and API keys in every store."""

from typing import TYPE_CHECKING

import msgspec
import pytest

from authfactor.models import ApiKey, Environment
from authfactor.store import Store, Tx

if TYPE_CHECKING:
    from tests.store.conftest import Rows


async def test_an_environment_is_found_by_number_client_id_and_name(store: Store, rows: "Rows") -> None:
    environment = rows.environment(7, mfa_policy="required", options='{"a":1}', created_at=5, updated_at=6)
    assert await rows.put(store, environment)

    async def unit(tx: Tx) -> list[Environment | None]:
        table = tx.environments
        return [
            await table.by_number(7),
            await table.by_client_id("client_7"),
            await table.by_name("n7"),
            await table.by_number(8),
            await table.by_client_id("n7"),
            await table.by_name("client_7"),
        ]

    assert await store.read(unit) == [environment, environment, environment, None, None, None]


async def test_next_number_is_one_above_the_highest(store: Store, rows: "Rows") -> None:
    assert await store.read(lambda tx: tx.environments.next_number()) == 1
    await rows.put(store, rows.environment(1))
    await rows.put(store, rows.environment(41))
    assert await store.read(lambda tx: tx.environments.next_number()) == 42


@pytest.mark.parametrize(
    ("number", "client_id", "name"),
    [(1, "client_2", "n2"), (2, "client_1", "n2"), (2, "client_2", "n1")],
    ids=["number", "client id", "name"],
)
async def test_duplicate_number_client_id_or_name_is_refused(
    store: Store, rows: "Rows", number: int, client_id: str, name: str
) -> None:
    first = rows.environment(1)
    await rows.put(store, first)
    second = rows.environment(number, client_id=client_id, name=name)
    assert not await rows.put(store, second)
    assert await store.read(lambda tx: tx.environments.all()) == [first]


async def test_environments_are_listed_by_number(store: Store, rows: "Rows") -> None:
    for number in (10, 2, 33):
        await rows.put(store, rows.environment(number))
    assert [found.number for found in await store.read(lambda tx: tx.environments.all())] == [2, 10, 33]


async def test_update_leaves_client_id_and_creation_time_unchanged(store: Store, rows: "Rows") -> None:
    first, other = rows.environment(1), rows.environment(2)
    await rows.put(store, first)
    await rows.put(store, other)
    changed = msgspec.structs.replace(
        first, name="new", team_name="New", mfa_policy="required", options='{"b":2}', updated_at=9
    )
    attempted = msgspec.structs.replace(changed, client_id="client_x", created_at=99)
    assert await store.write(lambda tx: tx.environments.update(attempted))
    assert await store.read(lambda tx: tx.environments.all()) == [changed, other]
    assert not await store.write(lambda tx: tx.environments.update(rows.environment(3)))


async def test_api_key_is_found_until_it_is_revoked(store: Store, rows: "Rows") -> None:
    environment, key = rows.environment(3), rows.api_key(3, 1, name="k", hint="wxyz", created_at=7)
    await rows.put(store, environment)
    assert await store.write(lambda tx: tx.api_keys.insert(key, b"\x00hash\xff"))
    assert await store.read(lambda tx: tx.api_keys.active_by_hash(b"\x00hash\xff")) == (key, environment)
    assert await store.read(lambda tx: tx.api_keys.active_by_hash(b"\x00hash")) is None

    assert await store.write(lambda tx: tx.api_keys.revoke(3, key.id, 50))
    assert await store.read(lambda tx: tx.api_keys.active_by_hash(b"\x00hash\xff")) is None
    assert not await store.write(lambda tx: tx.api_keys.revoke(3, key.id, 60))
    listed = await store.read(lambda tx: tx.api_keys.of_environment(3))
    assert [(found.id, found.revoked_at) for found in listed] == [(key.id, 50)]


async def test_same_key_in_another_environment_is_refused(store: Store, rows: "Rows") -> None:
    for number in (1, 2):
        await rows.put(store, rows.environment(number))
    assert await store.write(lambda tx: tx.api_keys.insert(rows.api_key(1, 1), b"same"))
    assert not await store.write(lambda tx: tx.api_keys.insert(rows.api_key(2, 2), b"same"))
    assert await store.read(lambda tx: tx.api_keys.of_environment(2)) == []


async def test_keys_are_listed_oldest_first_and_last_use_never_decreases(store: Store, rows: "Rows") -> None:
    await rows.put(store, rows.environment(1))

    async def unit(tx: Tx) -> list[ApiKey]:
        for number in (2, 1, 3):
            await tx.api_keys.insert(rows.api_key(1, number), b"%d" % number)
        await tx.api_keys.touch(1, "api_key_2", 100)
        await tx.api_keys.touch(1, "api_key_2", 90)
        await tx.api_keys.touch(1, "api_key_3", 80)
        await tx.api_keys.touch(1, "api_key_3", 95)
        return await tx.api_keys.of_environment(1)

    listed = await store.write(unit)
    assert [(key.id, key.last_used_at) for key in listed] == [
        ("api_key_1", None),
        ("api_key_2", 100),
        ("api_key_3", 95),
    ]
