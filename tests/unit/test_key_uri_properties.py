"""Key URIs: apps read back all accepted names and the secret."""

import re
import unicodedata
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from authfactor.otp import base32, key_uri

VISIBLE: Final = st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S", "Zs"))
NAMES: Final = st.text(VISIBLE, min_size=1, max_size=40).filter(lambda name: name.strip())
SECRETS: Final = st.binary(min_size=10, max_size=128).map(base32.encode)
# RFC 3986: unreserved characters, those allowed in a path and a query, and complete percent triplets.
URI: Final = re.compile(
    r"otpauth://totp/(?:[A-Za-z0-9._~@:-]|%[0-9A-F]{2})+\?(?:[A-Za-z0-9._~&=-]|%[0-9A-F]{2})+"
)


@given(NAMES, NAMES, SECRETS)
def test_parsed_uri_contains_the_names_and_the_secret(issuer: str, account: str, secret: str) -> None:
    issuer, account = (key_uri.check_name(name, max_length=128) for name in (issuer, account))
    uri = key_uri.uri(issuer=issuer, account=account, secret=secret)
    parts = urlsplit(uri)
    parameters = dict(parse_qsl(parts.query, strict_parsing=True))
    prefix, name = unquote(parts.path.removeprefix("/"), errors="strict").split(":")

    assert URI.fullmatch(uri)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("otpauth", "totp", "")
    assert prefix == parameters["issuer"] == issuer.replace(":", " ")
    assert name == account.replace(":", " ")
    assert parameters["secret"] == secret


@given(st.text(max_size=80))
def test_accepted_name_is_nfc_bounded_and_on_one_line(text: str) -> None:
    try:
        name = key_uri.check_name(text, max_length=64)
    except key_uri.InvalidLabel:
        return

    assert name == unicodedata.normalize("NFC", text)
    assert 0 < len(name) <= 64
    assert len(name.splitlines()) == 1
    assert not {unicodedata.category(character) for character in name} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(character) for character in name} & {
        "LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"
    }  # fmt: skip
    assert key_uri.check_name(name, max_length=64) == name


@given(NAMES, NAMES, SECRETS)
def test_colons_in_names_are_encoded_like_spaces(issuer: str, account: str, secret: str) -> None:
    expected = key_uri.uri(issuer=issuer.replace(":", " "), account=account.replace(":", " "), secret=secret)

    assert key_uri.uri(issuer=issuer, account=account, secret=secret) == expected
