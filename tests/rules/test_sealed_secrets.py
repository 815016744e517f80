"""Secrets are sealed on disk and bound to their row."""

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


async def test_no_secret_is_stored_in_plaintext(installation: "Installation") -> None:
    user = await installation.user(password="several unrelated words")
    enrolled = await installation.enroll(user)
    standalone = await installation.enroll_alone()
    imported = await installation.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    _, api_key = await installation.af.run(
        installation.af.environments.new_key(installation.environment, "key")
    )
    for each in (enrolled, standalone, imported):
        assert (await installation.answer(each, installation.code(each))).valid

    files = installation.files()
    assert enrolled.factor.id.encode() in files
    for each in (enrolled, standalone, imported):
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


async def test_secrets_swapped_between_two_rows_do_not_unseal(installation: "Installation") -> None:
    user = await installation.user()
    mine, theirs = await installation.enroll(user), await installation.enroll(user)
    for source, target in ((mine, theirs), (theirs, mine)):
        installation.sql("UPDATE factors SET secret = ? WHERE id = ?", source.factor.secret, target.factor.id)
    for code_owner, challenge_owner in ((mine, theirs), (theirs, mine), (mine, mine)):
        with pytest.raises(vault.UnsealError):
            await installation.verify(challenge_owner.challenge, installation.code(code_owner))
    assert (await installation.failures(user.id)).times == ()


async def test_secret_moved_to_another_environment_does_not_unseal(installation: "Installation") -> None:
    enrolled = await installation.enroll_alone()
    installation.sql("UPDATE factors SET environment = ?", installation.other.number)
    challenge = await installation.af.run(
        installation.af.challenges.create(installation.other, enrolled.factor.id)
    )
    with pytest.raises(vault.UnsealError):
        await installation.af.run(
            installation.af.challenges.verify(installation.other, challenge.id, installation.code(enrolled))
        )


async def test_secrets_are_resealed_with_a_new_key_when_used(
    open_installation: "Opener",
) -> None:
    installation: Installation = await open_installation()
    used, unused = await installation.enroll_alone(), await installation.enroll_alone()
    add_key(installation)
    reopened: Installation = await open_installation()
    old, new = reopened.af.vault.key_ids
    assert not (await reopened.answer(used, reopened.wrong(used))).valid
    assert await sealed_with(reopened) == {used.factor.id: old, unused.factor.id: old}
    assert (await reopened.answer(used, reopened.code(used))).valid
    assert await sealed_with(reopened) == {used.factor.id: new, unused.factor.id: old}
    reopened.clock.advance(30)
    assert (await reopened.answer(used, reopened.code(used))).valid
    assert (await reopened.answer(unused, reopened.code(unused))).valid
    assert await sealed_with(reopened) == {used.factor.id: new, unused.factor.id: new}


async def sealed_with(installation: "Installation") -> dict[str, str]:
    rows = await installation.af.read(lambda tx: tx.db.all("SELECT id, secret FROM factors"))
    return {row[0]: row[1].split(":")[1] for row in rows}


async def test_start_without_a_needed_key_is_refused(open_installation: "Opener") -> None:
    installation: Installation = await open_installation()
    await installation.enroll_alone()
    (key_id,) = installation.af.vault.key_ids
    ring = installation.af.settings.keys_path
    ring.write_text(KEY_LINE)
    with pytest.raises(
        keyring.KeyMissing, match=f"lacks the key '{key_id}' that this database needs"
    ) as refused:
        await open_installation()
    assert refused.value.key_ids == (key_id,)
    installation.sql("DELETE FROM vault_keys")  # as in a database of an older release
    with pytest.raises(keyring.KeyMissing):
        await open_installation()


async def test_missing_key_ring_is_not_replaced_by_a_new_one(open_installation: "Opener") -> None:
    installation: Installation = await open_installation()
    await installation.enroll_alone()
    ring = installation.af.settings.keys_path
    moved = ring.rename(ring.with_name("moved"))
    with pytest.raises(keyring.KeyMissing, match="is missing, and this database needs the key"):
        await open_installation()
    assert not ring.exists()
    moved.rename(ring)
    await open_installation()


async def test_start_with_a_key_ring_readable_by_others_is_refused(open_installation: "Opener") -> None:
    installation: Installation = await open_installation()
    ring = installation.af.settings.keys_path
    os.chmod(ring, 0o640)  # noqa: PTH101 - the mode is what is tested
    with pytest.raises(keyring.KeyRingUnusable, match="chmod 600"):
        await open_installation()
