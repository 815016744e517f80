"""Key rotation: everything is resealed with the newest key, and then an old key can be retired."""

import os
from typing import TYPE_CHECKING

import pytest

from authfactor.crypto import keyring, vault
from authfactor.rules.maintenance import key_rotation
from authfactor.rules.maintenance.key_rotation import KeyInUse, RotationResult
from authfactor.store import SEALED_COLUMNS
from authfactor.store.copying.resealing import SEALED_COLUMN_BY_TABLE
from tests.rules.test_sealed_secrets import sealed_with

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener


def ignore_progress(table: str, done: int) -> None:
    pass


async def reseal(installation: "Installation") -> RotationResult:
    return await installation.af.key_rotation.reseal(
        installation.af.store, installation.af.vault, ignore_progress
    )


async def add_key(installation: "Installation") -> str:
    """Add a key and reload the ring as a server does; return the id of the key."""
    new = keyring.source_of(installation.af.settings).add(os.urandom)[-1].id
    await installation.af.reload_key_ring()
    assert installation.af.vault.newest == new
    return new


async def test_every_value_is_resealed_and_still_unseals(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rotation, "BATCH", 2)
    enrolled = [await installation.enroll_alone() for _ in range(5)]
    new = await add_key(installation)
    done = await reseal(installation)
    assert done.values >= 5
    assert set((await sealed_with(installation)).values()) == {new}
    assert set(await installation.af.key_rotation.counts(installation.af.store)) == {new}
    for each in enrolled:
        assert (await installation.answer(each, installation.code(each))).valid
    assert await reseal(installation) == RotationResult(0, ())


async def test_interrupted_resealing_skips_the_values_already_done(installation: "Installation") -> None:
    for _ in range(3):
        await installation.enroll_alone()
    await add_key(installation)
    installation.sql("UPDATE factors SET secret = secret WHERE id = id")
    tables: list[str] = []

    def stop(table: str, done: int) -> None:
        tables.append(table)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await installation.af.key_rotation.reseal(installation.af.store, installation.af.vault, stop)
    assert tables == ["factors"]
    assert (await reseal(installation)).values == (
        await installation.af.key_rotation.counts(installation.af.store)
    )[installation.af.vault.newest] - 3


async def test_value_that_no_key_unseals_is_reported_and_skipped(installation: "Installation") -> None:
    mine, theirs = await installation.enroll_alone(), await installation.enroll_alone()
    installation.sql(
        "UPDATE factors SET secret = (SELECT secret FROM factors WHERE id = ?) WHERE id = ?",
        theirs.factor.id,
        mine.factor.id,
    )
    await add_key(installation)
    assert (await reseal(installation)).broken == (f"factors {mine.factor.id}",)


async def test_key_in_use_cannot_be_retired(installation: "Installation") -> None:
    await installation.enroll_alone()
    old = installation.af.vault.newest
    new = await add_key(installation)
    with pytest.raises(KeyInUse, match=f"sealed with the key '{old}'"):
        await installation.af.key_rotation.retire_key(installation.af.store, old)
    await reseal(installation)
    await installation.af.key_rotation.retire_key(installation.af.store, old)
    assert await installation.af.key_rotation.missing_keys(installation.af.store, (new,)) == []


async def test_process_without_the_new_key_reloads_the_ring(open_installation: "Opener") -> None:
    installation: Installation = await open_installation()
    enrolled = await installation.enroll_alone()
    other_process: Installation = await open_installation()
    await add_key(installation)
    await reseal(installation)
    assert other_process.af.vault.newest != installation.af.vault.newest
    assert (await other_process.answer(enrolled, other_process.code(enrolled))).valid
    assert other_process.af.vault.newest == installation.af.vault.newest


async def test_unknown_key_does_not_reload_the_ring_every_time(installation: "Installation") -> None:
    enrolled = await installation.enroll_alone()
    installation.sql("UPDATE factors SET secret = 'v1:ffffff:AAAA'")
    ring = installation.af.settings.keys_path
    with pytest.raises(vault.UnknownKey):
        await installation.answer(enrolled, "000000")
    ring.unlink()
    keyring.create(ring, os.urandom)
    with pytest.raises(vault.UnknownKey):
        await installation.answer(enrolled, "000000")
    assert len(installation.af.vault.key_ids) == 1


async def test_second_concurrent_rotation_is_refused(open_installation: "Opener") -> None:
    first, second = await open_installation(), await open_installation()
    async with first.af.key_rotation.lease(first.af.store):
        with pytest.raises(KeyInUse, match="Another rotation"):
            async with second.af.key_rotation.lease(second.af.store):
                pass
    async with second.af.key_rotation.lease(second.af.store):
        pass


async def test_removed_key_makes_old_copies_of_deleted_secrets_unreadable(
    installation: "Installation", open_installation: "Opener"
) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    row = await installation.af.read(
        lambda tx: tx.factors.by_id(installation.environment.number, enrolled.factor.id)
    )
    assert row is not None
    await installation.af.run(installation.af.users.delete(installation.environment, user.id))
    old = installation.af.vault.newest
    await add_key(installation)
    await reseal(installation)
    await installation.af.key_rotation.retire_key(installation.af.store, old)
    keyring.source_of(installation.af.settings).remove(old)
    reopened: Installation = await open_installation()
    location = vault.SealedLocation("factors", "secret", installation.environment.number, enrolled.factor.id)
    assert installation.af.vault.unseal(row.secret, location)
    with pytest.raises(vault.UnknownKey):
        reopened.af.vault.unseal(row.secret, location)


def test_every_sealed_column_is_rotated() -> None:
    assert set(SEALED_COLUMN_BY_TABLE) == {place.table for place in SEALED_COLUMNS}
