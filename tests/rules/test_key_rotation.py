"""Keys over time: everything is sealed again with the newest, and an old key can then be let go of."""

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


def quiet(table: str, done: int) -> None:
    pass


async def reseal(installation: "Installation") -> RotationResult:
    return await installation.af.key_rotation.reseal(installation.af.store, installation.af.vault, quiet)


async def rotated(installation: "Installation") -> str:
    """Add a key, take it up as a server does, seal everything again."""
    new = keyring.source_of(installation.af.settings).add(os.urandom)[-1].id
    await installation.af.reload_key_ring()
    assert installation.af.vault.newest == new
    return new


async def test_everything_is_sealed_again_and_opens(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rotation, "BATCH", 2)
    enrolled = [await installation.enroll_alone() for _ in range(5)]
    new = await rotated(installation)
    done = await reseal(installation)
    assert done.values >= 5
    assert set((await sealed_with(installation)).values()) == {new}
    assert set(await installation.af.key_rotation.counts(installation.af.store)) == {new}
    for each in enrolled:
        assert (await installation.answer(each, installation.code(each))).valid
    assert await reseal(installation) == RotationResult(0, ())


async def test_what_was_done_before_an_interruption_is_passed_over(installation: "Installation") -> None:
    for _ in range(3):
        await installation.enroll_alone()
    await rotated(installation)
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


async def test_a_value_that_no_key_opens_is_named_and_left(installation: "Installation") -> None:
    mine, theirs = await installation.enroll_alone(), await installation.enroll_alone()
    installation.sql(
        "UPDATE factors SET secret = (SELECT secret FROM factors WHERE id = ?) WHERE id = ?",
        theirs.factor.id,
        mine.factor.id,
    )
    await rotated(installation)
    assert (await reseal(installation)).broken == (f"factors {mine.factor.id}",)


async def test_a_key_in_use_is_not_let_go_of(installation: "Installation") -> None:
    await installation.enroll_alone()
    old = installation.af.vault.newest
    new = await rotated(installation)
    with pytest.raises(KeyInUse, match=f"sealed with the key '{old}'"):
        await installation.af.key_rotation.retire_key(installation.af.store, old)
    await reseal(installation)
    await installation.af.key_rotation.retire_key(installation.af.store, old)
    assert await installation.af.key_rotation.missing_keys(installation.af.store, (new,)) == []


async def test_a_process_that_has_not_seen_the_new_key_asks_for_it(open_installation: "Opener") -> None:
    installation: Installation = await open_installation()
    enrolled = await installation.enroll_alone()
    behind: Installation = await open_installation()
    await rotated(installation)
    await reseal(installation)
    assert behind.af.vault.newest != installation.af.vault.newest
    assert (await behind.answer(enrolled, behind.code(enrolled))).valid
    assert behind.af.vault.newest == installation.af.vault.newest


async def test_an_unknown_key_does_not_make_it_ask_all_the_time(installation: "Installation") -> None:
    enrolled = await installation.enroll_alone()
    installation.sql("UPDATE factors SET secret = 'v1:ffffff:AAAA'")
    asked = installation.af.settings.keys_path
    with pytest.raises(vault.UnknownKey):
        await installation.answer(enrolled, "000000")
    asked.unlink()
    keyring.create(asked, os.urandom)
    with pytest.raises(vault.UnknownKey):
        await installation.answer(enrolled, "000000")
    assert len(installation.af.vault.key_ids) == 1


async def test_two_rotations_keep_out_of_each_others_way(open_installation: "Opener") -> None:
    first, second = await open_installation(), await open_installation()
    async with first.af.key_rotation.lease(first.af.store):
        with pytest.raises(KeyInUse, match="Another rotation"):
            async with second.af.key_rotation.lease(second.af.store):
                pass
    async with second.af.key_rotation.lease(second.af.store):
        pass


async def test_after_the_old_key_is_gone_an_old_copy_of_a_deleted_users_secret_stays_shut(
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
    await rotated(installation)
    await reseal(installation)
    await installation.af.key_rotation.retire_key(installation.af.store, old)
    keyring.source_of(installation.af.settings).remove(old)
    later: Installation = await open_installation()
    where = vault.SealedLocation("factors", "secret", installation.environment.number, enrolled.factor.id)
    assert installation.af.vault.unseal(row.secret, where)
    with pytest.raises(vault.UnknownKey):
        later.af.vault.unseal(row.secret, where)


def test_every_sealed_column_is_rotated() -> None:
    assert set(SEALED_COLUMN_BY_TABLE) == {place.table for place in SEALED_COLUMNS}
