"""Base32 secrets as users and importers write them: accepted and refused spellings, error messages."""

import base64
from typing import Final

import pytest

from authfactor.otp import base32

SECRET: Final = b"Hello!\xde\xad\xbe\xef"
TEXT: Final = "JBSWY3DPEHPK3PXP"


# RFC 4648 section 10, padding removed.
@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, ""),
        (1, "MY"),
        (2, "MZXQ"),
        (3, "MZXW6"),
        (4, "MZXW6YQ"),
        (5, "MZXW6YTB"),
        (6, "MZXW6YTBOI"),
    ],
)
def test_encoding_equals_the_vectors_of_rfc_4648(size: int, text: str) -> None:
    plain = b"foobar"[:size]

    assert base32.encode(plain) == text
    assert base32.decode(text, min_bytes=0) == plain


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.lower(),
        "JbSwY3dPeHpK3pXp",
        "JBSW Y3DP EHPK 3PXP",
        "jbsw-y3dp-ehpk-3pxp",
        " JBSWY3DPEHPK3PXP ",
        "JBSWY3DP\nEHPK3PXP\r\n",
        "JBSWY3DP\tEHPK3PXP",
        "JBSWY3DPEHPK3PXP====",
    ],
)
def test_case_spaces_hyphens_and_padding_are_ignored(text: str) -> None:
    assert base32.decode(text, min_bytes=10) == SECRET


def test_secrets_are_encoded_in_upper_case_without_padding() -> None:
    assert base32.encode(SECRET) == TEXT
    assert base32.encode(bytes(range(16))) == base64.b32encode(bytes(range(16))).decode().rstrip("=")


@pytest.mark.parametrize("foreign", [*"0189", *"+/_.,:;!@#$%&*'\"\\", "\0", "\x0b", "\x7f"])
@pytest.mark.parametrize("place", [0, 7, 15])
def test_characters_outside_the_alphabet_are_refused(foreign: str, place: int) -> None:
    text = TEXT[:place] + foreign + TEXT[place + 1 :]

    with pytest.raises(base32.InvalidBase32, match="letters A to Z and digits 2 to 7"):
        base32.decode(text, min_bytes=10)


@pytest.mark.parametrize(
    "lookalike",
    [
        pytest.param("\u0131", id="dotless i, whose upper case is I"),
        pytest.param("\u017f", id="long s, whose upper case is S"),
        pytest.param("\u00df", id="sharp s, whose upper case is SS"),
        pytest.param("\ufb00", id="ligature ff, whose upper case is FF"),
        pytest.param("\u0149", id="n with an apostrophe"),
        pytest.param("\u0410", id="Cyrillic A"),
        pytest.param("\u0391", id="Greek Alpha"),
        pytest.param("\uff21", id="full-width A"),
        pytest.param("\uff12", id="full-width 2"),
        pytest.param("\u0662", id="Arabic-Indic 2"),
        pytest.param("\u212a", id="Kelvin sign"),
        pytest.param("\u00a0", id="no-break space"),
        pytest.param("\u2011", id="no-break hyphen"),
        pytest.param("\u200b", id="zero-width space"),
        pytest.param("\ud800", id="lone surrogate"),
    ],
)
def test_unicode_lookalike_characters_are_refused(lookalike: str) -> None:
    for text in (lookalike + TEXT[1:], lookalike + TEXT, TEXT + lookalike):
        with pytest.raises(base32.InvalidBase32, match="letters A to Z and digits 2 to 7"):
            base32.decode(text, min_bytes=1)


def test_padding_in_the_middle_is_refused() -> None:
    with pytest.raises(base32.InvalidBase32, match="letters A to Z"):
        base32.decode("JBSWY3DP=EHPK3PXP", min_bytes=10)


@pytest.mark.parametrize("size", [10, 16, 20, 32, 127, 128])
def test_secrets_of_10_to_128_bytes_are_accepted(size: int) -> None:
    secret = bytes(range(size))

    assert base32.decode(base32.encode(secret), min_bytes=10) == secret


@pytest.mark.parametrize("size", [1, 5, 9])
def test_short_secret_is_refused_with_the_minimum_length(size: int) -> None:
    with pytest.raises(
        base32.InvalidBase32, match=r"too short: use at least 16 base32 characters \(10 bytes\)"
    ):
        base32.decode(base32.encode(bytes(size)), min_bytes=10)


@pytest.mark.parametrize(("min_bytes", "characters"), [(10, 16), (16, 26), (20, 32), (32, 52)])
def test_minimum_length_is_reported_in_base32_characters(min_bytes: int, characters: int) -> None:
    with pytest.raises(base32.InvalidBase32, match=f"at least {characters} base32 characters"):
        base32.decode(base32.encode(bytes(min_bytes - 1)), min_bytes=min_bytes)

    assert len(base32.encode(bytes(min_bytes))) == characters
    assert base32.decode("A" * characters, min_bytes=min_bytes) == bytes(min_bytes)


@pytest.mark.parametrize("text", ["", " ", "----", "====", "=", "\n"])
def test_empty_or_blank_secret_is_refused(text: str) -> None:
    with pytest.raises(base32.InvalidBase32, match="too short"):
        base32.decode(text, min_bytes=10)


@pytest.mark.parametrize("size", [129, 130, 1024, 48 * 1024])
def test_secret_over_128_bytes_is_refused(size: int) -> None:
    with pytest.raises(base32.InvalidBase32, match="too long: use at most 128 bytes"):
        base32.decode(base32.encode(bytes(size)), min_bytes=10)


@pytest.mark.parametrize("length", [17, 19, 22, 25, 201])
def test_truncated_secret_is_refused(length: int) -> None:
    with pytest.raises(base32.InvalidBase32, match="truncated"):
        base32.decode("A" * length, min_bytes=10)


@pytest.mark.parametrize(
    "text",
    [
        "HUNTER2HUNTER2HUNTER1",
        "HUNTER2HU",
        "HUNTER2H",
        "HUNTER2H" * 40,
        "\u0131HUNTER2HUNTER2HUNTER2",
        "hunter2hunter2hunter2\x00",
    ],
)
def test_error_message_does_not_repeat_the_secret(text: str) -> None:
    with pytest.raises(base32.InvalidBase32) as caught:
        base32.decode(text, min_bytes=10)

    message = str(caught.value).upper()
    assert "HUNTER" not in message
    assert not any(text[at : at + 8].upper() in message for at in range(len(text) - 7))
