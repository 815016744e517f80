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


async def reseal(desk: "Installation") -> RotationResult:
    return await desk.af.key_rotation.reseal(desk.af.store, desk.af.vault, quiet)


async def rotated(desk: "Installation") -> str:
    """Add a key, take it up as a server does, seal everything again."""
    new = keyring.source_of(desk.af.settings).add(os.urandom)[-1].id
    await desk.af.reload_key_ring()
    assert desk.af.vault.newest == new
    return new


async def test_everything_is_sealed_again_and_opens(
    desk: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rotation, "BATCH", 2)
    enrolled = [await desk.enroll_alone() for _ in range(5)]
    new = await rotated(desk)
    done = await reseal(desk)
    assert done.values >= 5
    assert set((await sealed_with(desk)).values()) == {new}
    assert set(await desk.af.key_rotation.counts(desk.af.store)) == {new}
    for each in enrolled:
        assert (await desk.answer(each, desk.code(each))).valid
    assert await reseal(desk) == RotationResult(0, ())


async def test_what_was_done_before_an_interruption_is_passed_over(desk: "Installation") -> None:
    for _ in range(3):
        await desk.enroll_alone()
    await rotated(desk)
    desk.sql("UPDATE factors SET secret = secret WHERE id = id")
    tables: list[str] = []

    def stop(table: str, done: int) -> None:
        tables.append(table)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await desk.af.key_rotation.reseal(desk.af.store, desk.af.vault, stop)
    assert tables == ["factors"]
    assert (await reseal(desk)).values == (await desk.af.key_rotation.counts(desk.af.store))[
        desk.af.vault.newest
    ] - 3


async def test_a_value_that_no_key_opens_is_named_and_left(desk: "Installation") -> None:
    mine, theirs = await desk.enroll_alone(), await desk.enroll_alone()
    desk.sql(
        "UPDATE factors SET secret = (SELECT secret FROM factors WHERE id = ?) WHERE id = ?",
        theirs.factor.id,
        mine.factor.id,
    )
    await rotated(desk)
    assert (await reseal(desk)).broken == (f"factors {mine.factor.id}",)


async def test_a_key_in_use_is_not_let_go_of(desk: "Installation") -> None:
    await desk.enroll_alone()
    old = desk.af.vault.newest
    new = await rotated(desk)
    with pytest.raises(KeyInUse, match=f"sealed with the key '{old}'"):
        await desk.af.key_rotation.retire_key(desk.af.store, old)
    await reseal(desk)
    await desk.af.key_rotation.retire_key(desk.af.store, old)
    assert await desk.af.key_rotation.missing_keys(desk.af.store, (new,)) == []


async def test_a_process_that_has_not_seen_the_new_key_asks_for_it(open_desk: "Opener") -> None:
    desk: Installation = await open_desk()
    enrolled = await desk.enroll_alone()
    behind: Installation = await open_desk()
    await rotated(desk)
    await reseal(desk)
    assert behind.af.vault.newest != desk.af.vault.newest
    assert (await behind.answer(enrolled, behind.code(enrolled))).valid
    assert behind.af.vault.newest == desk.af.vault.newest


async def test_an_unknown_key_does_not_make_it_ask_all_the_time(desk: "Installation") -> None:
    enrolled = await desk.enroll_alone()
    desk.sql("UPDATE factors SET secret = 'v1:ffffff:AAAA'")
    asked = desk.af.settings.keys_path
    with pytest.raises(vault.UnknownKey):
        await desk.answer(enrolled, "000000")
    asked.unlink()
    keyring.create(asked, os.urandom)
    with pytest.raises(vault.UnknownKey):
        await desk.answer(enrolled, "000000")
    assert len(desk.af.vault.key_ids) == 1


async def test_two_rotations_keep_out_of_each_others_way(open_desk: "Opener") -> None:
    first, second = await open_desk(), await open_desk()
    async with first.af.key_rotation.lease(first.af.store):
        with pytest.raises(KeyInUse, match="Another rotation"):
            async with second.af.key_rotation.lease(second.af.store):
                pass
    async with second.af.key_rotation.lease(second.af.store):
        pass


async def test_after_the_old_key_is_gone_an_old_copy_of_a_deleted_users_secret_stays_shut(
    desk: "Installation", open_desk: "Opener"
) -> None:
    user = await desk.user()
    enrolled = await desk.enroll(user)
    row = await desk.af.read(lambda tx: tx.factors.by_id(desk.environment.number, enrolled.factor.id))
    assert row is not None
    await desk.af.run(desk.af.users.delete(desk.environment, user.id))
    old = desk.af.vault.newest
    await rotated(desk)
    await reseal(desk)
    await desk.af.key_rotation.retire_key(desk.af.store, old)
    keyring.source_of(desk.af.settings).remove(old)
    later: Installation = await open_desk()
    where = vault.SealedLocation("factors", "secret", desk.environment.number, enrolled.factor.id)
    assert desk.af.vault.unseal(row.secret, where)
    with pytest.raises(vault.UnknownKey):
        later.af.vault.unseal(row.secret, where)


def test_every_sealed_column_is_rotated() -> None:
    assert set(SEALED_COLUMN_BY_TABLE) == {place.table for place in SEALED_COLUMNS}
