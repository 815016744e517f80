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


def add_key(installation: "Installation") -> None:
    with installation.af.settings.keys_path.open("a") as ring:
        ring.write(KEY_LINE)


async def test_no_secret_is_readable_in_the_files(installation: "Installation") -> None:
    user = await installation.user(password="several unrelated words")
    enrolled = await installation.enroll(user)
    alone = await installation.enroll_alone()
    own = await installation.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    _, api_key = await installation.af.run(
        installation.af.environments.new_key(installation.environment, "key")
    )
    for each in (enrolled, alone, own):
        assert (await installation.answer(each, installation.code(each))).valid

    files = installation.files()
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
    ring = installation.af.settings.keys_path
    assert base64.b64decode(ring.read_text().splitlines()[-1]) not in files
    assert ring.stat().st_mode & 0o777 == 0o600


async def test_secrets_swapped_between_two_rows_do_not_open(installation: "Installation") -> None:
    user = await installation.user()
    mine, theirs = await installation.enroll(user), await installation.enroll(user)
    for source, target in ((mine, theirs), (theirs, mine)):
        installation.sql("UPDATE factors SET secret = ? WHERE id = ?", source.factor.secret, target.factor.id)
    for shown, challenged in ((mine, theirs), (theirs, mine), (mine, mine)):
        with pytest.raises(vault.UnsealError):
            await installation.verify(challenged.challenge, installation.code(shown))
    assert (await installation.failures(user.id)).times == ()


async def test_a_secret_moved_to_another_environment_does_not_open(installation: "Installation") -> None:
    enrolled = await installation.enroll_alone()
    installation.sql("UPDATE factors SET environment = ?", installation.other.number)
    challenge = await installation.af.run(
        installation.af.challenges.create(installation.other, enrolled.factor.id)
    )
    with pytest.raises(vault.UnsealError):
        await installation.af.run(
            installation.af.challenges.verify(installation.other, challenge.id, installation.code(enrolled))
        )


async def test_after_a_new_key_secrets_open_and_are_sealed_again_when_used(
    open_installation: "Opener",
) -> None:
    installation: Installation = await open_installation()
    used, unused = await installation.enroll_alone(), await installation.enroll_alone()
    add_key(installation)
    again: Installation = await open_installation()
    old, new = again.af.vault.key_ids
    assert not (await again.answer(used, again.wrong(used))).valid
    assert await sealed_with(again) == {used.factor.id: old, unused.factor.id: old}
    assert (await again.answer(used, again.code(used))).valid
    assert await sealed_with(again) == {used.factor.id: new, unused.factor.id: old}
    again.clock.advance(30)
    assert (await again.answer(used, again.code(used))).valid
    assert (await again.answer(unused, again.code(unused))).valid
    assert await sealed_with(again) == {used.factor.id: new, unused.factor.id: new}


async def sealed_with(installation: "Installation") -> dict[str, str]:
    rows = await installation.af.read(lambda tx: tx.db.all("SELECT id, secret FROM factors"))
    return {row[0]: row[1].split(":")[1] for row in rows}


async def test_a_key_taken_off_the_ring_is_named(open_installation: "Opener") -> None:
    installation: Installation = await open_installation()
    await installation.enroll_alone()
    (key_id,) = installation.af.vault.key_ids
    ring = installation.af.settings.keys_path
    ring.write_text(KEY_LINE)
    with pytest.raises(keyring.KeyMissing, match=f"lacks the key '{key_id}' that this database needs") as no:
        await open_installation()
    assert no.value.key_ids == (key_id,)
    installation.sql("DELETE FROM vault_keys")  # as in a database that an older release has filled
    with pytest.raises(keyring.KeyMissing):
        await open_installation()


async def test_a_lost_ring_is_not_replaced_by_a_new_one(open_installation: "Opener") -> None:
    installation: Installation = await open_installation()
    await installation.enroll_alone()
    ring = installation.af.settings.keys_path
    kept = ring.rename(ring.with_name("kept"))
    with pytest.raises(keyring.KeyMissing, match="is missing, and this database needs the key"):
        await open_installation()
    assert not ring.exists()
    kept.rename(ring)
    await open_installation()


async def test_a_ring_that_others_may_read_stops_the_start(open_installation: "Opener") -> None:
    installation: Installation = await open_installation()
    ring = installation.af.settings.keys_path
    os.chmod(ring, 0o640)  # noqa: PTH101 - the mode is the point
    with pytest.raises(keyring.KeyRingUnusable, match="chmod 600"):
        await open_installation()
