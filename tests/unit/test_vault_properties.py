"""Sealed values: any value unseals only in its own row, with a key of the ring."""

import base64
from typing import Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from authfactor.crypto.vault import Key, SealedLocation, UnsealError, Vault, key_of

KEY: Final = key_of(bytes(32))
# Parts of a location: without NUL, which separates them in the associated data.
WORDS: Final = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
ROWS: Final = st.builds(SealedLocation, WORDS, WORDS, st.integers(0, 2**63 - 1), WORDS)
VALUES: Final = st.binary(max_size=160)
BLOBS: Final = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_=+/: \n", max_size=90)
NONCES: Final = st.binary(min_size=12, max_size=12)
RINGS: Final = st.lists(st.binary(min_size=32, max_size=32).map(key_of), min_size=1, max_size=4, unique=True)


@given(RINGS, NONCES, VALUES, ROWS)
def test_any_value_unseals_after_keys_were_added(
    ring: list[Key], nonce: bytes, value: bytes, row: SealedLocation
) -> None:
    vaults = [Vault(ring[: count + 1], lambda _: nonce) for count in range(len(ring))]
    sealed = [vault.seal(value, row) for vault in vaults]

    assert [vaults[-1].unseal(text, row) for text in sealed] == [value] * len(ring)
    assert [vaults[-1].is_stale(text) for text in sealed] == [True] * (len(ring) - 1) + [False]


@given(NONCES, VALUES, ROWS, ROWS)
def test_no_value_unseals_in_another_row(
    nonce: bytes, value: bytes, row: SealedLocation, other: SealedLocation
) -> None:
    assume(row != other)
    vault = Vault([KEY], lambda _: nonce)

    with pytest.raises(UnsealError):
        vault.unseal(vault.seal(value, row), other)


@given(NONCES, VALUES, ROWS, st.data())
def test_changed_bytes_never_unseal(
    nonce: bytes, value: bytes, row: SealedLocation, data: st.DataObject
) -> None:
    vault = Vault([KEY], lambda _: nonce)
    head, _, text = vault.seal(value, row).rpartition(":")
    blob = base64.urlsafe_b64decode(text)
    at = data.draw(st.integers(0, len(blob) - 1), label="at")
    change = data.draw(st.integers(1, 255), label="change")
    changed = blob[:at] + bytes([blob[at] ^ change]) + blob[at + 1 :]

    with pytest.raises(UnsealError):
        vault.unseal(f"{head}:{base64.urlsafe_b64encode(changed).decode()}", row)


@given(st.one_of(st.text(), BLOBS.map(f"v1:{KEY.id}:{{}}".format)))
def test_text_that_was_never_sealed_does_not_unseal(text: str) -> None:
    with pytest.raises(UnsealError):
        Vault([KEY], bytes).unseal(text, SealedLocation("factors", "secret", 1, "id"))
