"""What is secret stays so on disk, and stays in its row."""

import base64
import os
from typing import TYPE_CHECKING

import pytest

from authfactor.crypto import keyring, vault
from authfactor.otp import base32

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener

KEY_LINE = base64.b64encode(bytes(range(32))).decode() + "\n"


def add_key(desk: "Installation") -> None:
    with desk.af.settings.keys_path.open("a") as ring:
        ring.write(KEY_LINE)


async def test_no_secret_is_readable_in_the_files(desk: "Installation") -> None:
    user = await desk.user(password="several unrelated words")
    enrolled = await desk.enroll(user)
    alone = await desk.enroll_alone()
    own = await desk.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    _, api_key = await desk.af.run(desk.af.environments.new_key(desk.environment, "key"))
    for each in (enrolled, alone, own):
        assert (await desk.answer(each, desk.code(each))).valid

    files = desk.files()
    assert enrolled.factor.id.encode() in files
    for each in (enrolled, alone, own):
        raw = base32.decode(each.secret, min_bytes=10)
        for form in (
            raw,
            each.secret.encode(),
            each.secret.lower().encode(),
            raw.hex().encode(),
            base64.b64encode(raw)[:24],
            base64.urlsafe_b64encode(raw)[:24],
        ):
            assert form not in files
    for text in (api_key, "several unrelated words"):
        assert text.encode() not in files
    ring = desk.af.settings.keys_path
    assert base64.b64decode(ring.read_text().splitlines()[-1]) not in files
    assert ring.stat().st_mode & 0o777 == 0o600


async def test_secrets_swapped_between_two_rows_do_not_open(desk: "Installation") -> None:
    user = await desk.user()
    mine, theirs = await desk.enroll(user), await desk.enroll(user)
    for source, target in ((mine, theirs), (theirs, mine)):
        desk.sql("UPDATE factors SET secret = ? WHERE id = ?", source.factor.secret, target.factor.id)
    for shown, challenged in ((mine, theirs), (theirs, mine), (mine, mine)):
        with pytest.raises(vault.UnsealError):
            await desk.verify(challenged.challenge, desk.code(shown))
    assert (await desk.failures(user.id)).times == ()


async def test_a_secret_moved_to_another_environment_does_not_open(desk: "Installation") -> None:
    enrolled = await desk.enroll_alone()
    desk.sql("UPDATE factors SET environment = ?", desk.other.number)
    challenge = await desk.af.run(desk.af.challenges.create(desk.other, enrolled.factor.id))
    with pytest.raises(vault.UnsealError):
        await desk.af.run(desk.af.challenges.verify(desk.other, challenge.id, desk.code(enrolled)))


async def test_after_a_new_key_secrets_open_and_are_sealed_again_when_used(open_desk: "Opener") -> None:
    desk: Installation = await open_desk()
    used, unused = await desk.enroll_alone(), await desk.enroll_alone()
    add_key(desk)
    again: Installation = await open_desk()
    old, new = again.af.vault.key_ids
    assert not (await again.answer(used, again.wrong(used))).valid
    assert await sealed_with(again) == {used.factor.id: old, unused.factor.id: old}
    assert (await again.answer(used, again.code(used))).valid
    assert await sealed_with(again) == {used.factor.id: new, unused.factor.id: old}
    again.clock.advance(30)
    assert (await again.answer(used, again.code(used))).valid
    assert (await again.answer(unused, again.code(unused))).valid
    assert await sealed_with(again) == {used.factor.id: new, unused.factor.id: new}


async def sealed_with(desk: "Installation") -> dict[str, str]:
    rows = await desk.af.read(lambda tx: tx.db.all("SELECT id, secret FROM factors"))
    return {row[0]: row[1].split(":")[1] for row in rows}


async def test_a_key_taken_off_the_ring_is_named(open_desk: "Opener") -> None:
    desk: Installation = await open_desk()
    await desk.enroll_alone()
    (key_id,) = desk.af.vault.key_ids
    ring = desk.af.settings.keys_path
    ring.write_text(KEY_LINE)
    with pytest.raises(keyring.KeyMissing, match=f"lacks the key '{key_id}' that this database needs") as no:
        await open_desk()
    assert no.value.key_ids == (key_id,)
    desk.sql("DELETE FROM vault_keys")  # as in a database that an older release has filled
    with pytest.raises(keyring.KeyMissing):
        await open_desk()


async def test_a_lost_ring_is_not_replaced_by_a_new_one(open_desk: "Opener") -> None:
    desk: Installation = await open_desk()
    await desk.enroll_alone()
    ring = desk.af.settings.keys_path
    kept = ring.rename(ring.with_name("kept"))
    with pytest.raises(keyring.KeyMissing, match="is missing, and this database needs the key"):
        await open_desk()
    assert not ring.exists()
    kept.rename(ring)
    await open_desk()


async def test_a_ring_that_others_may_read_stops_the_start(open_desk: "Opener") -> None:
    desk: Installation = await open_desk()
    ring = desk.af.settings.keys_path
    os.chmod(ring, 0o640)  # noqa: PTH101 - the mode is the point
    with pytest.raises(keyring.KeyRingUnusable, match="chmod 600"):
        await open_desk()
