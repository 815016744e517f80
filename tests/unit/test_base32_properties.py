"""Base32: every secret comes back however it is written, and every text is read or refused."""

import base64
import re
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from authfactor.otp import base32

SECRETS: Final = st.binary(min_size=10, max_size=128)
LETTERS: Final = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567abcdefghijklmnopqrstuvwxyz -=", max_size=240)


@given(SECRETS)
def test_what_was_written_is_read(secret: bytes) -> None:
    text = base32.encode(secret)

    assert base32.decode(text, min_bytes=10) == secret
    assert base64.b32decode(text + "=" * (-len(text) % 8)) == secret


@given(SECRETS, st.data())
def test_groups_case_and_padding_do_not_matter(secret: bytes, data: st.DataObject) -> None:
    text = base32.encode(secret)
    width = data.draw(st.integers(1, 8), label="characters a group")
    groups = [text[at : at + width] for at in range(0, len(text), width)]
    cased = [data.draw(st.sampled_from([str.lower, str.upper]), label="case")(group) for group in groups]
    written = data.draw(st.sampled_from([" ", "-", "  ", "\n", " - "]), label="between").join(cased)
    written += "=" * data.draw(st.integers(0, 6), label="padding")

    assert base32.decode(written, min_bytes=10) == secret


@given(st.one_of(st.text(max_size=40), LETTERS))
def test_any_text_is_a_secret_within_the_bounds_or_refused(text: str) -> None:
    try:
        secret = base32.decode(text, min_bytes=10)
    except base32.InvalidBase32:
        return

    assert 10 <= len(secret) <= base32.MAX_BYTES
    # Bits left over in the last character are ignored, so the text is the same but for that one.
    letters = re.sub(r"[ \-\t\r\n]", "", text).upper().rstrip("=")
    assert base32.encode(secret)[:-1] == letters[:-1]


@given(st.integers(0, 300), st.integers(1, 40))
def test_only_the_number_of_bytes_decides_about_zeros(size: int, least: int) -> None:
    try:
        accepted = base32.decode(base32.encode(bytes(size)), min_bytes=least) == bytes(size)
    except base32.InvalidBase32:
        accepted = False

    assert accepted == (least <= size <= base32.MAX_BYTES)
