"""The settings of passkeys: what is refused, and what is said about it."""

from typing import Any, Final

import msgspec
import pytest

from authfactor.webauthn import relying_party
from authfactor.webauthn.relying_party import RelyingParty
from tests.support.passkeys import SETTINGS, with_settings

AAGUID: Final = "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"
ANDROID: Final = "android:apk-key-hash:" + "A" * 43

FINE: Final[list[dict[str, Any]]] = [
    {},
    {"rp_id": "auth.example.org"},
    {"origins": ("https://example.org", "https://app.example.org:8443", "https://a.b.example.org", ANDROID)},
    {"rp_id": "localhost", "origins": ("http://localhost:8080", "https://localhost", "http://localhost")},
    {"rp_id": "intranet", "origins": ("https://intranet",)},
    {"rp_id": "xn--bcher-kva.example", "origins": ("https://xn--bcher-kva.example",)},
    {"top_origins": ("https://portal.example.com",)},
    {"aaguids_allowed": (AAGUID,)},
    {"aaguids_denied": (AAGUID,), "backup_eligible": "deny"},
    {"rp_name": "Größe & Söhne"},
]

WRONG: Final[list[tuple[dict[str, Any], str, str, str]]] = [
    ({"rp_id": "192.0.2.7", "origins": ("https://192.0.2.7",)}, "rp_id", "ip_address", "http://localhost"),
    ({"rp_id": "[::1]"}, "rp_id", "ip_address", "host name"),
    ({"rp_id": "::1"}, "rp_id", "ip_address", "host name"),
    ({"rp_id": ""}, "rp_id", "invalid_format", "example.org"),
    ({"rp_id": "Example.org"}, "rp_id", "invalid_format", "lower case"),
    ({"rp_id": "https://example.org"}, "rp_id", "invalid_format", "without scheme"),
    ({"rp_id": "example.org:443"}, "rp_id", "invalid_format", "without scheme and port"),
    ({"rp_id": "example.org."}, "rp_id", "invalid_format", "host name"),
    ({"rp_id": "-a.org"}, "rp_id", "invalid_format", "host name"),
    ({"rp_id": "a-.org"}, "rp_id", "invalid_format", "host name"),
    ({"rp_id": "bücher.example"}, "rp_id", "invalid_format", "host name"),
    ({"rp_id": ("a" * 50 + ".") * 5 + "example"}, "rp_id", "invalid_format", "host name"),
    ({"rp_name": " "}, "rp_name", "invalid_format", "1 to 64"),
    ({"rp_name": "x" * 65}, "rp_name", "invalid_format", "1 to 64"),
    ({"rp_name": "a\nb"}, "rp_name", "invalid_format", "printable"),
    ({"origins": ()}, "origins", "required", "each page"),
    ({"origins": ("https://example.org/",)}, "origins", "invalid_format", "scheme, host and port"),
    ({"origins": ("https://example.org/a?b#c",)}, "origins", "invalid_format", "scheme, host and port"),
    ({"origins": ("https://example.org:443",)}, "origins", "invalid_format", "as browsers send"),
    ({"origins": ("https://example.org:08443",)}, "origins", "invalid_format", "as browsers send"),
    ({"origins": ("https://example.org:99999",)}, "origins", "invalid_format", "as browsers send"),
    ({"origins": ("https://Example.org",)}, "origins", "invalid_format", "as browsers send"),
    ({"origins": ("https://kim@example.org",)}, "origins", "invalid_format", "as browsers send"),
    ({"origins": ("https://[example.org",)}, "origins", "invalid_format", "as browsers send"),
    ({"origins": ("example.org",)}, "origins", "invalid_format", "as browsers send"),
    ({"origins": ("*",)}, "origins", "invalid_format", "as browsers send"),
    ({"origins": ("https://*.example.org",)}, "origins", "invalid_format", "as browsers send"),
    ({"origins": ("android:apk-key-hash:short",)}, "origins", "invalid_format", "as browsers send"),
    ({"origins": ("https://192.0.2.7",)}, "origins", "ip_address", "http://localhost"),
    ({"origins": ("http://127.0.0.1:8080",)}, "origins", "ip_address", "http://localhost"),
    ({"origins": ("https://[::1]",)}, "origins", "ip_address", "http://localhost"),
    ({"origins": ("http://example.org",)}, "origins", "insecure_origin", "HTTPS"),
    ({"origins": ("http://a.localhost",)}, "origins", "insecure_origin", "HTTPS"),
    ({"origins": ("ftp://example.org",)}, "origins", "insecure_origin", "HTTPS"),
    ({"origins": ("https://example.com",)}, "origins", "outside_rp_id", "domain above it"),
    ({"origins": ("https://notexample.org",)}, "origins", "outside_rp_id", "domain above it"),
    ({"rp_id": "auth.example.org", "origins": ("https://example.org",)}, "origins", "outside_rp_id", "above"),
    ({"rp_id": "org", "origins": ("https://example.org",)}, "origins", "outside_rp_id", "above"),
    ({"origins": tuple(f"https://{n}.example.org" for n in range(101))}, "origins", "too_many", "100"),
    ({"top_origins": ("http://portal.example.com",)}, "top_origins", "insecure_origin", "HTTPS"),
    (
        {"aaguids_allowed": ("EA9B8D66-4D01-1D21-3CE4-B6B48CB575D4",)},
        "aaguids_allowed",
        "invalid_format",
        "lower",
    ),
    ({"aaguids_denied": ("all",)}, "aaguids_denied", "invalid_format", "UUID"),
    (
        {"aaguids_allowed": (AAGUID,), "aaguids_denied": (AAGUID,)},
        "aaguids_denied",
        "conflicting",
        "not both",
    ),
]


@pytest.mark.parametrize("changes", FINE)
def test_settings_that_work_have_no_problems(changes: dict[str, Any]) -> None:
    assert relying_party.problems(with_settings(**changes)) == []


@pytest.mark.parametrize(("changes", "field", "code", "part"), WRONG)
def test_settings_that_cannot_work_are_named_with_what_to_do(
    changes: dict[str, Any], field: str, code: str, part: str
) -> None:
    found = [each for each in relying_party.problems(with_settings(**changes)) if each.field == field]
    assert [each.code for each in found] == [code]
    assert part in found[0].message


def test_every_problem_is_named_at_once() -> None:
    wrong = with_settings(rp_name="", origins=("http://example.org", "https://192.0.2.7"), top_origins=("x",))
    found = relying_party.problems(wrong)
    assert [each.field for each in found] == ["rp_name", "top_origins", "origins", "origins"]


@pytest.mark.parametrize(
    ("base_url", "rp_id", "origin"),
    [
        ("https://Auth.example.org/", "auth.example.org", "https://auth.example.org"),
        ("http://localhost:8080", "localhost", "http://localhost:8080"),
    ],
)
def test_the_default_is_the_host_of_the_pages(base_url: str, rp_id: str, origin: str) -> None:
    made = relying_party.for_base_url(base_url, "Acme")
    assert made == RelyingParty(rp_id=rp_id, rp_name="Acme", origins=(origin,))
    assert relying_party.problems(made) == []


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:8080", "https://[2001:db8::1]", "", "http://example.org"]
)
def test_the_default_of_pages_that_cannot_have_passkeys_has_problems(base_url: str) -> None:
    assert relying_party.problems(relying_party.for_base_url(base_url, "Acme"))


def test_settings_are_json_and_unknown_ones_are_refused() -> None:
    encoded = msgspec.json.encode(SETTINGS)
    assert msgspec.json.decode(encoded, type=RelyingParty) == SETTINGS
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(encoded[:-1] + b',"attestation_format":"tpm"}', type=RelyingParty)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(
            encoded.replace(b'"attestation":"none"', b'"attestation":"enterprise"'), type=RelyingParty
        )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"metadata": "attested"}, "attestation"),
        ({"attestation": "direct"}, "metadata"),
        ({"metadata": "attested", "attestation": "direct"}, None),
        ({"metadata": "status", "attestation": "direct"}, None),
        ({"metadata": "status"}, None),
    ],
)
def test_attestation_and_metadata_are_set_together(changes: dict[str, Any], field: str | None) -> None:
    found = relying_party.problems(with_settings(**changes))
    assert [each.field for each in found] == ([] if field is None else [field])
