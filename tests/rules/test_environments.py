"""Environments, API keys, and the authentication of callers."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import pytest

from authfactor import errors

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener


async def test_first_environment_is_created_once_from_the_settings(
    open_installation: "Opener",
) -> None:
    settings = {"bootstrap_api_key": "sk_test_x", "bootstrap_client_id": "client_x"}
    for _ in range(2):
        installation: Installation = await open_installation(**settings)
        everything = await installation.af.read(lambda tx: tx.environments.all())
        assert [found.client_id for found in everything] == ["client_x", installation.other.client_id]
        assert installation.environment.team_name == "Acme"
        caller = await installation.af.environments.authenticate(installation.af.store, "sk_test_x")
        assert caller.environment == installation.environment
        assert len(await installation.af.read(lambda tx: tx.api_keys.of_environment(1))) == 1


def poll_until_zero(count: Callable[[], list[tuple[object, ...]]]) -> list[tuple[object, ...]]:
    """Poll until the count is 0: the server notices a closed connection a moment later."""
    end = time.monotonic() + 10
    while (found := count()) != [(0,)] and time.monotonic() < end:
        time.sleep(0.02)
    return found


async def test_failed_start_closes_the_database(open_installation: "Opener") -> None:
    installation: Installation = await open_installation(bootstrap_client_id="client_x")
    await installation.af.close()
    before = set(threading.enumerate())
    with pytest.raises(errors.Conflict):
        await open_installation(bootstrap_client_id="client_y")
    path = installation.af.settings.sqlite_path
    if path is None:
        others = (
            "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'authfactor'"
        )
        connections = await asyncio.to_thread(
            poll_until_zero, lambda: installation.sql(f"SELECT count(*) {others}")
        )
        assert connections == [(0,)]
        return
    new_threads = set(threading.enumerate()) - before
    assert not [each.name for each in new_threads if each.name.startswith("authfactor-commit")]
    assert not path.with_name(f"{path.name}-wal").exists()


async def test_each_of_several_keys_identifies_its_environment(
    installation: "Installation",
) -> None:
    af = installation.af
    keys = [await af.run(af.environments.new_key(installation.environment, name)) for name in ("a", "b")]
    keys.append(await af.run(af.environments.new_key(installation.other, "c")))
    for (record, text), environment in zip(
        keys, [installation.environment, installation.environment, installation.other], strict=True
    ):
        caller = await af.environments.authenticate(af.store, text)
        assert (caller.environment, caller.key_id) == (environment, record.id)
        assert record.hint == text[-4:]
    assert len({text for _, text in keys}) == 3
    assert all(len(text) == len("sk_") + 43 for _, text in keys)


@pytest.mark.parametrize("key", ["", "sk_", "sk_unknown", "\ud800", "ä", "x" * 100_000])
async def test_an_unknown_key_is_unauthorized(installation: "Installation", key: str) -> None:
    with pytest.raises(errors.Unauthorized):
        await installation.af.environments.authenticate(installation.af.store, key)


async def test_revoked_key_is_refused_within_a_second(
    installation: "Installation",
) -> None:
    af = installation.af
    record, text = await af.run(af.environments.new_key(installation.environment, "a"))
    _, other = await af.run(af.environments.new_key(installation.environment, "b"))
    await af.environments.authenticate(af.store, text)
    await af.run(af.environments.revoke_key(installation.environment, record.id))
    installation.clock.advance(1)
    with pytest.raises(errors.Unauthorized):
        await af.environments.authenticate(af.store, text)
    assert (await af.environments.authenticate(af.store, other)).environment == installation.environment
    with pytest.raises(errors.NotFound):
        await af.run(af.environments.revoke_key(installation.environment, record.id))


@pytest.mark.parametrize("jump", [-3600, 3600])
async def test_clock_jump_does_not_keep_a_revoked_key_valid(installation: "Installation", jump: int) -> None:
    af = installation.af
    record, text = await af.run(af.environments.new_key(installation.environment, "a"))
    await af.environments.authenticate(af.store, text)
    await af.run(af.environments.revoke_key(installation.environment, record.id))
    installation.clock.advance(jump)
    with pytest.raises(errors.Unauthorized):
        await af.environments.authenticate(af.store, text)


async def test_key_is_cached_for_less_than_a_second(
    installation: "Installation",
) -> None:
    af = installation.af
    _, text = await af.run(af.environments.new_key(installation.environment, "a"))
    caller = await af.environments.authenticate(af.store, text)
    # Deleted without the cache noticing: a key that is still accepted comes from memory.
    installation.sql("DELETE FROM api_keys")
    installation.clock.advance(0.5)
    assert await af.environments.authenticate(af.store, text) == caller
    installation.clock.advance(0.5)
    with pytest.raises(errors.Unauthorized):
        await af.environments.authenticate(af.store, text)


async def test_changed_environment_reaches_callers_within_a_second(
    installation: "Installation",
) -> None:
    af = installation.af
    _, text = await af.run(af.environments.new_key(installation.environment, "a"))
    await af.environments.authenticate(af.store, text)
    await af.run(af.environments.update(installation.environment, team_name="New", mfa_policy="required"))
    installation.clock.advance(1)
    caller = await af.environments.authenticate(af.store, text)
    assert (caller.environment.team_name, caller.environment.mfa_policy) == ("New", "required")


async def test_flush_writes_the_last_use_of_a_key(installation: "Installation") -> None:
    af = installation.af
    record, text = await af.run(af.environments.new_key(installation.environment, "a"))
    await af.flush_last_used()
    installation.clock.advance(7)
    await af.environments.authenticate(af.store, text)
    used = installation.clock.now
    installation.clock.advance(7)
    await af.flush_last_used()
    listed = await af.read(lambda tx: tx.api_keys.of_environment(1))
    assert {key.id: key.last_used_at for key in listed}[record.id] == used


async def test_flush_removes_the_key_text_from_memory(installation: "Installation") -> None:
    af = installation.af
    _, text = await af.run(af.environments.new_key(installation.environment, "a"))
    await af.environments.authenticate(af.store, text)
    assert text in repr(vars(af.environments))
    await af.flush_last_used()
    assert text not in repr(vars(af.environments))


async def test_duplicate_names_client_ids_and_keys_are_refused(installation: "Installation") -> None:
    af = installation.af
    with pytest.raises(errors.Conflict):
        await af.run(af.environments.create("other", team_name="x"))
    with pytest.raises(errors.Conflict):
        await af.run(af.environments.create("new", team_name="x", client_id=installation.other.client_id))
    with pytest.raises(errors.InvalidRequest):
        af.environments.create(" ", team_name="x")
    await af.run(af.environments.new_key(installation.environment, "a", key="sk_own"))
    with pytest.raises(errors.Conflict):
        await af.run(af.environments.new_key(installation.other, "b", key="sk_own"))


async def test_an_environment_is_found_by_name_or_client_id(installation: "Installation") -> None:
    af = installation.af
    assert await af.read(af.environments.find("other")) == installation.other
    assert await af.read(af.environments.find(installation.other.client_id)) == installation.other
    with pytest.raises(errors.NotFound):
        await af.read(af.environments.find("nowhere"))


async def test_an_older_copy_of_an_environment_undoes_no_change_of_another_field(
    installation: "Installation",
) -> None:
    """Another process has an environment in memory that it read before the policy was changed."""
    update, stale = installation.af.environments.update, installation.environment
    await installation.af.run(update(stale, mfa_policy="required"))
    changed = await installation.af.run(update(stale, team_name="New"))
    assert (changed.mfa_policy, changed.team_name, changed.name) == ("required", "New", stale.name)
    assert await installation.af.read(lambda tx: tx.environments.by_number(1)) == changed


async def test_concurrent_changes_of_different_fields_of_an_environment_all_take_effect(
    installation: "Installation",
) -> None:
    update, stale = installation.af.environments.update, installation.environment
    for number in range(25):
        await asyncio.gather(
            installation.af.run(update(stale, name=f"name {number}")),
            installation.af.run(update(stale, team_name=f"team {number}")),
        )
        found = await installation.af.read(lambda tx: tx.environments.by_number(1))
        assert found is not None
        assert (found.name, found.team_name) == (f"name {number}", f"team {number}")


async def test_change_from_an_older_version_of_an_environment_is_refused(
    installation: "Installation",
) -> None:
    update, seen = installation.af.environments.update, installation.environment
    changed = await installation.af.run(update(seen, team_name="New", if_updated_at=seen.updated_at))
    # Versions differ even within a millisecond.
    assert changed.updated_at > seen.updated_at
    with pytest.raises(errors.Outdated) as refusal:
        await installation.af.run(update(seen, mfa_policy="off", if_updated_at=seen.updated_at))
    assert refusal.value.code == "changed_since"
    assert await installation.af.read(lambda tx: tx.environments.by_number(1)) == changed


async def test_one_of_many_concurrent_changes_from_the_same_version_is_made(
    installation: "Installation",
) -> None:
    update, seen = installation.af.environments.update, installation.environment
    results = await asyncio.gather(
        *(
            installation.af.run(update(seen, team_name=f"team {number}", if_updated_at=seen.updated_at))
            for number in range(50)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(result, errors.Outdated) for result in results) == 49


async def test_change_of_an_unknown_environment_is_not_found(installation: "Installation") -> None:
    unknown = msgspec.structs.replace(installation.environment, number=99, client_id="client_x")
    with pytest.raises(errors.NotFound):
        await installation.af.run(installation.af.environments.update(unknown, team_name="New"))
