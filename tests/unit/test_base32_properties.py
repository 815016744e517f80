"""Base32: every secret is decoded from any spelling, and any text is decoded or refused."""

import base64
import re
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from authfactor.otp import base32

SECRETS: Final = st.binary(min_size=10, max_size=128)
LETTERS: Final = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567abcdefghijklmnopqrstuvwxyz -=", max_size=240)


@given(SECRETS)
def test_encoded_secret_decodes_to_the_same_bytes(secret: bytes) -> None:
    text = base32.encode(secret)

    assert base32.decode(text, min_bytes=10) == secret
    assert base64.b32decode(text + "=" * (-len(text) % 8)) == secret


@given(SECRETS, st.data())
def test_grouping_case_and_padding_are_ignored(secret: bytes, data: st.DataObject) -> None:
    text = base32.encode(secret)
    width = data.draw(st.integers(1, 8), label="characters per group")
    groups = [text[at : at + width] for at in range(0, len(text), width)]
    cased = [data.draw(st.sampled_from([str.lower, str.upper]), label="case")(group) for group in groups]
    spelling = data.draw(st.sampled_from([" ", "-", "  ", "\n", " - "]), label="separator").join(cased)
    spelling += "=" * data.draw(st.integers(0, 6), label="padding")

    assert base32.decode(spelling, min_bytes=10) == secret


@given(st.one_of(st.text(max_size=40), LETTERS))
def test_any_text_decodes_within_the_length_limits_or_is_refused(text: str) -> None:
    try:
        secret = base32.decode(text, min_bytes=10)
    except base32.InvalidBase32:
        return

    assert 10 <= len(secret) <= base32.MAX_BYTES
    # Leftover bits of the last character are ignored, so only that character may differ.
    letters = re.sub(r"[ \-\t\r\n]", "", text).upper().rstrip("=")
    assert base32.encode(secret)[:-1] == letters[:-1]


@given(st.integers(0, 300), st.integers(1, 40))
def test_zero_bytes_are_accepted_within_the_length_limits(size: int, minimum: int) -> None:
    try:
        accepted = base32.decode(base32.encode(bytes(size)), min_bytes=minimum) == bytes(size)
    except base32.InvalidBase32:
        accepted = False

    assert accepted == (minimum <= size <= base32.MAX_BYTES)
