"""Key URIs: the exact WorkOS format, and names that authenticator apps display correctly."""

import unicodedata
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from authfactor.otp import key_uri

SECRET: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def _uri(issuer: str, account: str) -> str:
    return key_uri.uri(issuer=issuer, account=account, secret=SECRET)


def _label(uri: str) -> list[str]:
    """Read the label as Aegis and Google Authenticator do: unquote, then split at every colon."""
    return unquote(urlsplit(uri).path.removeprefix("/"), errors="strict").split(":")


def test_uri_has_the_exact_workos_format() -> None:
    assert _uri("Acme Corp", "kim@example.org") == (
        f"otpauth://totp/Acme%20Corp:kim@example.org?secret={SECRET}"
        "&issuer=Acme%20Corp&algorithm=SHA1&digits=6&period=30"
    )


def test_uri_has_five_parameters_in_order() -> None:
    assert parse_qsl(urlsplit(_uri("Acme", "kim")).query, strict_parsing=True) == [
        ("secret", SECRET),
        ("issuer", "Acme"),
        ("algorithm", "SHA1"),
        ("digits", "6"),
        ("period", "30"),
    ]


@pytest.mark.parametrize(
    ("issuer", "account", "label"),
    [
        ("Acme: Corp", "kim@example.org", "Acme%20%20Corp:kim@example.org"),
        ("Acme", "team:kim", "Acme:team%20kim"),
        ("a:b:c", "d:e:f", "a%20b%20c:d%20e%20f"),
        ("Acme%3ACorp", "kim%3Alee", "Acme%253ACorp:kim%253Alee"),
    ],
)
def test_label_has_no_colon_except_the_separator(issuer: str, account: str, label: str) -> None:
    uri = _uri(issuer, account)

    assert uri.split("?")[0] == f"otpauth://totp/{label}"
    assert _label(uri) == [issuer.replace(":", " "), account.replace(":", " ")]


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("100%", "100%25"),
        ("%41", "%2541"),
        ("a+b", "a%2Bb"),
        ("a b", "a%20b"),
        ("a&b=c", "a%26b%3Dc"),
        ("a?b#c", "a%3Fb%23c"),
        ("a/b\\c", "a%2Fb%5Cc"),
        ('"<>', "%22%3C%3E"),
        ("Z\u00fcrich", "Z%C3%BCrich"),
        ("\U0001f510", "%F0%9F%94%90"),
        ("\U0001f469\u200d\U0001f4bb", "%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB"),
        ("a.b_c-d~e", "a.b_c-d~e"),
    ],
)
def test_names_are_percent_encoded_as_in_rfc_3986(name: str, quoted: str) -> None:
    assert key_uri.check_name(name, max_length=64) == name

    uri = _uri(name, name)

    assert uri.startswith(f"otpauth://totp/{quoted}:{quoted}?secret={SECRET}&issuer={quoted}&algorithm=")
    assert _label(uri) == [name, name]
    assert dict(parse_qsl(urlsplit(uri).query))["issuer"] == name


def test_at_sign_is_encoded_in_the_issuer_but_not_the_account() -> None:
    assert _uri("a@b", "a@b").startswith("otpauth://totp/a%40b:a@b?")


@pytest.mark.parametrize(
    "character",
    [
        *(chr(code) for code in [*range(0x20), *range(0x7F, 0xA0)]),
        *"\u2028\u2029",
        *"\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
        *map(chr, (0xD800, 0xDFFF)),
    ],
    ids=lambda character: f"U+{ord(character):04X}",
)
@pytest.mark.parametrize("form", ["{}Acme", "Ac{}me", "Acme{}", "Z\u00fcri{}ch"])
def test_control_characters_line_breaks_and_direction_overrides_are_refused(
    character: str, form: str
) -> None:
    with pytest.raises(key_uri.InvalidLabel, match="control characters, line breaks or text-direction"):
        key_uri.check_name(form.format(character), max_length=64)


@pytest.mark.parametrize(
    "name",
    [
        "Acme Corp",
        "\u0645\u0635\u0631\u0641",
        "\u05d1\u05e0\u05e7",
        "\u9280\u884c",
        "\U0001f3e6 Bank",
        "\u0928\u092e\u0938\u094d\u0924\u0947",
    ],
)
def test_names_in_non_latin_scripts_are_accepted(name: str) -> None:
    assert key_uri.check_name(name, max_length=64) == name


@pytest.mark.parametrize("name", ["", " ", "   ", "\u00a0", "\u3000"])
def test_empty_or_blank_names_are_refused(name: str) -> None:
    with pytest.raises(key_uri.InvalidLabel, match="must not be empty"):
        key_uri.check_name(name, max_length=64)


@pytest.mark.parametrize("limit", [key_uri.MAX_ISSUER, key_uri.MAX_ACCOUNT])
def test_names_over_the_length_limit_are_refused(limit: int) -> None:
    assert key_uri.check_name("a" * limit, max_length=limit) == "a" * limit
    for length in (limit + 1, 2048):
        with pytest.raises(key_uri.InvalidLabel, match=f"at most {limit} characters"):
            key_uri.check_name("a" * length, max_length=limit)


def test_uri_of_the_longest_ascii_names_is_under_2000_characters() -> None:
    uri = _uri("%" * key_uri.MAX_ISSUER, "%" * key_uri.MAX_ACCOUNT)

    assert len(uri) < 2000


def test_names_are_normalized_to_nfc() -> None:
    assert key_uri.check_name("Zu\u0308rich", max_length=64) == "Z\u00fcrich"
    assert key_uri.check_name("e\u0301" * 64, max_length=64) == "\u00e9" * 64


def test_name_length_is_checked_after_normalization() -> None:
    grows = "\u0958"  # NFC turns it into two characters.
    assert len(unicodedata.normalize("NFC", grows)) == 2

    with pytest.raises(key_uri.InvalidLabel, match="at most 64 characters"):
        key_uri.check_name(grows * 33, max_length=64)


def test_compatibility_characters_are_not_normalized() -> None:
    assert key_uri.check_name("\uff21\u00b2\ufb01", max_length=64) == "\uff21\u00b2\ufb01"


@pytest.mark.parametrize("name", ["Acme\nCorp", "\u202egnp.exe", "x" * 65])
def test_error_message_does_not_repeat_the_name(name: str) -> None:
    with pytest.raises(key_uri.InvalidLabel) as caught:
        key_uri.check_name(name, max_length=64)

    assert str(caught.value).startswith("must ")
    assert name not in str(caught.value)


def test_a_text_far_longer_than_a_name_is_not_normalized(monkeypatch: pytest.MonkeyPatch) -> None:
    """Normalizing a run of combining marks is quadratic: 32,000 of them would stop all requests for 0.8 s."""
    lengths: list[int] = []
    normalize = unicodedata.normalize

    def counting(form: Literal["NFC"], text: str) -> str:
        lengths.append(len(text))
        return normalize(form, text)

    monkeypatch.setattr(unicodedata, "normalize", counting)
    for length in (256, 257, 32_000):
        with pytest.raises(key_uri.InvalidLabel, match="at most 64 characters"):
            key_uri.check_name("\u0315\u0300" * (length // 2) + "." * (length % 2), max_length=64)
    assert lengths == [256]
