"""Base32 secrets as people and importers write them: what is read, what is refused, what is never told."""

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
def test_the_vectors_of_rfc_4648(size: int, text: str) -> None:
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
def test_case_spaces_hyphens_and_padding_do_not_matter(text: str) -> None:
    assert base32.decode(text, min_bytes=10) == SECRET


def test_secrets_are_written_in_upper_case_without_padding_or_spaces() -> None:
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
def test_characters_that_only_look_right_are_refused(lookalike: str) -> None:
    for text in (lookalike + TEXT[1:], lookalike + TEXT, TEXT + lookalike):
        with pytest.raises(base32.InvalidBase32, match="letters A to Z and digits 2 to 7"):
            base32.decode(text, min_bytes=1)


def test_padding_in_the_middle_is_refused() -> None:
    with pytest.raises(base32.InvalidBase32, match="letters A to Z"):
        base32.decode("JBSWY3DP=EHPK3PXP", min_bytes=10)


@pytest.mark.parametrize("size", [10, 16, 20, 32, 127, 128])
def test_lengths_within_the_bounds_are_accepted(size: int) -> None:
    secret = bytes(range(size))

    assert base32.decode(base32.encode(secret), min_bytes=10) == secret


@pytest.mark.parametrize("size", [1, 5, 9])
def test_short_secrets_are_refused_and_the_least_is_named(size: int) -> None:
    with pytest.raises(
        base32.InvalidBase32, match=r"too short: use at least 16 base32 characters \(10 bytes\)"
    ):
        base32.decode(base32.encode(bytes(size)), min_bytes=10)


@pytest.mark.parametrize(("least", "characters"), [(10, 16), (16, 26), (20, 32), (32, 52)])
def test_the_least_is_counted_in_characters_that_suffice(least: int, characters: int) -> None:
    with pytest.raises(base32.InvalidBase32, match=f"at least {characters} base32 characters"):
        base32.decode(base32.encode(bytes(least - 1)), min_bytes=least)

    assert len(base32.encode(bytes(least))) == characters
    assert base32.decode("A" * characters, min_bytes=least) == bytes(least)


@pytest.mark.parametrize("text", ["", " ", "----", "====", "=", "\n"])
def test_nothing_at_all_is_too_short(text: str) -> None:
    with pytest.raises(base32.InvalidBase32, match="too short"):
        base32.decode(text, min_bytes=10)


@pytest.mark.parametrize("size", [129, 130, 1024, 48 * 1024])
def test_long_secrets_are_refused(size: int) -> None:
    with pytest.raises(base32.InvalidBase32, match="too long: use at most 128 bytes"):
        base32.decode(base32.encode(bytes(size)), min_bytes=10)


@pytest.mark.parametrize("length", [17, 19, 22, 25, 201])
def test_lengths_that_no_bytes_have_are_refused(length: int) -> None:
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
def test_the_message_never_repeats_the_text(text: str) -> None:
    with pytest.raises(base32.InvalidBase32) as caught:
        base32.decode(text, min_bytes=10)

    told = str(caught.value).upper()
    assert "HUNTER" not in told
    assert not any(text[at : at + 8].upper() in told for at in range(len(text) - 7))
