"""The vault: sealing, unsealing, and key rotation."""

import base64
import hmac
import itertools
from collections.abc import Callable
from typing import Final

import pytest

from authfactor.crypto.vault import Key, SealedLocation, UnknownKey, UnsealError, Vault, key_of

FIRST: Final = key_of(bytes(range(32)))
SECOND: Final = key_of(bytes(range(32, 64)))
ROW: Final = SealedLocation("factors", "secret", 1, "auth_factor_01J00000000000000000000000")
SECRET: Final = b"12345678901234567890"


def _counting() -> Callable[[int], bytes]:
    """Return entropy for tests: each call yields the next number."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def _vault(*ring: Key) -> Vault:
    return Vault(ring or [FIRST], _counting())


@pytest.mark.parametrize("size", [0, 1, 10, 20, 32, 128, 4096])
def test_sealed_value_unseals_to_the_same_bytes(size: int) -> None:
    vault = _vault()

    assert vault.unseal(vault.seal(bytes(size), ROW), ROW) == bytes(size)


def test_sealed_value_names_format_and_key_but_hides_the_secret() -> None:
    form, key_id, text = _vault().seal(SECRET, ROW).split(":")
    blob = base64.urlsafe_b64decode(text)

    assert (form, key_id) == ("v1", FIRST.id)
    assert len(blob) == 12 + len(SECRET) + 16
    assert SECRET not in blob


def test_format_of_sealed_values_never_changes() -> None:
    sealed = "v1:e82fb1:AAAAAAAAAAAAAAABJOSMyHHCByY3HmAL35IPwSKnJWRqyO6mjnnLy6KlIn2z9Cmm"

    assert _vault().seal(SECRET, ROW) == sealed
    assert _vault().unseal(sealed, ROW) == SECRET


def test_each_sealing_uses_a_new_nonce() -> None:
    vault = _vault()
    one, other = vault.seal(SECRET, ROW), vault.seal(SECRET, ROW)
    nonces = {base64.urlsafe_b64decode(sealed.split(":")[2])[:12] for sealed in (one, other)}

    assert len(nonces) == 2
    assert vault.unseal(one, ROW) == vault.unseal(other, ROW) == SECRET


@pytest.mark.parametrize("size", [18, 19, 20])
def test_any_flipped_bit_of_the_text_is_detected(size: int) -> None:
    vault = _vault()
    sealed = vault.seal(SECRET[:size], ROW).encode("ascii")

    for at in range(len(sealed)):
        for bit in range(8):
            flipped = bytearray(sealed)
            flipped[at] ^= 1 << bit
            with pytest.raises(UnsealError):
                vault.unseal(flipped.decode("latin-1"), ROW)


def test_any_flipped_bit_of_nonce_ciphertext_or_tag_is_detected() -> None:
    vault = _vault()
    head, _, text = vault.seal(SECRET, ROW).rpartition(":")
    blob = base64.urlsafe_b64decode(text)

    for position in range(len(blob) * 8):
        flipped = bytearray(blob)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(UnsealError, match="does not belong to this row or was damaged"):
            vault.unseal(f"{head}:{base64.urlsafe_b64encode(flipped).decode()}", ROW)


def test_truncated_sealed_value_is_detected() -> None:
    vault = _vault()
    sealed = vault.seal(SECRET, ROW)

    for length in range(len(sealed)):
        with pytest.raises(UnsealError):
            vault.unseal(sealed[:length], ROW)


@pytest.mark.parametrize("added", ["\n", " ", "=", "A", "AAAA", ":", "\0", "\u00e9", "\ud800"])
def test_added_characters_are_detected(added: str) -> None:
    vault = _vault()
    sealed = vault.seal(SECRET, ROW)

    for text in (sealed + added, added + sealed, sealed[:20] + added + sealed[20:]):
        with pytest.raises(UnsealError):
            vault.unseal(text, ROW)


@pytest.mark.parametrize(
    "text",
    ["", "v1", "v1:", "v1::", ":::", "JBSWY3DPEHPK3PXP", "v1:e82fb1:", "v1:e82fb1:AAAA", "v1:e82fb1:!!!!"],
)
def test_text_that_was_never_sealed_does_not_unseal(text: str) -> None:
    with pytest.raises(UnsealError):
        _vault().unseal(text, ROW)


def test_value_of_another_format_does_not_unseal() -> None:
    vault = _vault()

    with pytest.raises(UnsealError, match="unknown format"):
        vault.unseal(vault.seal(SECRET, ROW).replace("v1:", "v2:"), ROW)


@pytest.mark.parametrize(
    "elsewhere",
    [
        ROW._replace(id="auth_factor_01J00000000000000000000001"),
        ROW._replace(id=""),
        ROW._replace(table="users"),
        ROW._replace(column="secret2"),
        ROW._replace(environment=2),
        ROW._replace(environment=11),
        SealedLocation("factor", "ssecret", 1, ROW.id),
        SealedLocation(ROW.column, ROW.table, 1, ROW.id),
    ],
)
def test_value_moved_to_another_location_does_not_unseal(elsewhere: SealedLocation) -> None:
    vault = _vault()

    with pytest.raises(UnsealError, match="does not belong to this row"):
        vault.unseal(vault.seal(SECRET, ROW), elsewhere)


def test_missing_key_is_named_in_the_error() -> None:
    sealed = _vault(SECOND).seal(SECRET, ROW)

    with pytest.raises(UnknownKey, match=f"The key '{SECOND.id}' that sealed") as caught:
        _vault(FIRST).unseal(sealed, ROW)
    assert caught.value.key_id == SECOND.id


def test_value_does_not_unseal_under_another_key_id() -> None:
    vault = _vault(FIRST, SECOND)
    sealed = vault.seal(SECRET, ROW).replace(SECOND.id, FIRST.id)

    with pytest.raises(UnsealError, match="was damaged"):
        vault.unseal(sealed, ROW)


def test_after_rotation_the_old_key_unseals_and_the_newest_seals() -> None:
    old = _vault(FIRST).seal(SECRET, ROW)
    rotated = _vault(FIRST, SECOND)
    new = rotated.seal(SECRET, ROW)

    assert rotated.newest == SECOND.id
    assert rotated.key_ids == (FIRST.id, SECOND.id)
    assert rotated.unseal(old, ROW) == rotated.unseal(new, ROW) == SECRET
    assert _vault(SECOND).unseal(new, ROW) == SECRET
    assert rotated.is_stale(old)
    assert not rotated.is_stale(new)


def test_resealed_value_does_not_need_the_old_key() -> None:
    rotated = _vault(FIRST, SECOND)
    resealed = rotated.seal(rotated.unseal(_vault(FIRST).seal(SECRET, ROW), ROW), ROW)

    assert _vault(SECOND).unseal(resealed, ROW) == SECRET


def test_vault_with_an_empty_ring_is_refused() -> None:
    with pytest.raises(ValueError, match="the key ring is empty"):
        Vault([], _counting())


def test_two_keys_with_the_same_id_are_refused() -> None:
    with pytest.raises(ValueError, match="two keys of the ring have the same id"):
        _vault(FIRST, Key(FIRST.id, SECOND.secret))


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_key_that_is_not_32_bytes_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"a key is 32 bytes, not {size}"):
        key_of(bytes(size))


def test_repr_of_a_key_has_its_id_but_not_its_bytes() -> None:
    assert key_of(FIRST.secret) == FIRST
    assert FIRST.id != SECOND.id
    for text in (repr(FIRST), str(FIRST), f"{FIRST}", f"{[FIRST]}", f"{{'key': {FIRST!r}}}"):
        assert FIRST.id in text
        assert repr(FIRST.secret) not in text
        assert FIRST.secret.hex() not in text


def test_digest_depends_on_key_purpose_and_text() -> None:
    digests = {
        vault.digest(purpose, text)
        for vault in (_vault(), _vault(SECOND))
        for purpose in ("one", "two")
        for text in ("a", "b", "")
    }
    assert len(digests) == 12
    assert {len(each) for each in digests} == {64}
    assert _vault().digest("one", "\ud800") == _vault().digest("one", "\ud800")


def test_digest_is_recognized_after_a_rotation_and_made_with_the_newest_key() -> None:
    vault = _vault()
    before = vault.digest("one", "a")
    vault.extend([FIRST, SECOND])
    after = vault.digest("one", "a")
    assert after == _vault(SECOND).digest("one", "a") != before
    for digest in (before, after):
        assert vault.has_made(digest, "one", "a")
        assert not vault.has_made(digest, "one", "b")
        assert not vault.has_made(digest, "two", "a")
    assert not vault.has_made("", "one", "a")
    assert not _vault().has_made(after, "one", "a")


def test_digest_reveals_nothing_about_the_sealing_key() -> None:
    """The key that makes digests is derived, so that it differs from the one that encrypts."""
    digest = _vault().digest("one", "a")
    assert digest != hmac.digest(FIRST.secret, b"one\0a", "sha256").hex()
