"""Registrations: what an accepted one returns, each refusal, and the order of the checks."""

import itertools
from collections.abc import Callable
from typing import Any, Final, Literal

import cbor2
import pytest

from authfactor.testing.software_authenticator import Behavior
from authfactor.webauthn import public_keys
from authfactor.webauthn.refusals import CeremonyRefused
from authfactor.webauthn.relying_party import RelyingParty
from tests.support.passkeys import HANDLE, Site, to_bytes, to_text, with_settings

AAGUID: Final = "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"
OTHER: Final = "08987058-cadc-4b81-b6e1-30de50dcbe96"
ES384: Final = -35


def other_algorithm(attestation: dict[str, Any]) -> None:
    attestation["authData"] = attestation["authData"].replace(b"\x01\x02\x03\x26", b"\x01\x02\x03\x38\x22")


def broken_statement(attestation: dict[str, Any]) -> None:
    if attestation["fmt"] == "packed":
        attestation["attStmt"]["sig"] = b"\0" + attestation["attStmt"]["sig"]


def rewritten(response: dict[str, Any], *changes: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Return the response with its attestation object changed."""
    attestation = cbor2.loads(to_bytes(response["response"]["attestationObject"]))
    for change in changes:
        change(attestation)
    response["response"]["attestationObject"] = to_text(cbor2.dumps(attestation, canonical=True))
    return response


# In the order in which they are checked: behavior, settings, changes of the attestation, existing.
FAULTS: Final[list[tuple[str, dict[str, Any]]]] = [
    ("webauthn_type_mismatch", {"behavior": {"type": "webauthn.get"}}),
    ("webauthn_challenge_mismatch", {"behavior": {"challenge": bytes(32)}}),
    ("webauthn_origin_mismatch", {"behavior": {"origin": "https://evil.example.org"}}),
    ("webauthn_cross_origin", {"behavior": {"cross_origin": True}}),
    ("webauthn_rp_id_mismatch", {"behavior": {"rp_id": "example.com"}}),
    ("webauthn_user_not_present", {"behavior": {"user_present": False}}),
    (
        "webauthn_user_not_verified",
        {"behavior": {"user_verified": False}, "settings": {"user_verification": "required"}},
    ),
    ("webauthn_algorithm_not_offered", {"rewrite": other_algorithm}),
    ("webauthn_backup_state_invalid", {"behavior": {"backed_up": True}}),
    ("webauthn_signature_invalid", {"rewrite": broken_statement}),
    ("webauthn_authenticator_not_allowed", {"settings": {"aaguids_denied": (AAGUID,)}}),
    ("webauthn_credential_exists", {"existing": True}),
]


def refusal_of(*faults: dict[str, Any]) -> str:
    """Return the reason for which a registration with these faults is refused."""
    behavior: dict[str, Any] = {"attestation": "packed"}
    settings: dict[str, Any] = {}
    rewrites: list[Callable[[dict[str, Any]], None]] = []
    for fault in faults:
        behavior |= fault.get("behavior", {})
        settings |= fault.get("settings", {})
        rewrites += [fault["rewrite"]] if "rewrite" in fault else []
    site = Site(settings=with_settings(**settings), aaguid=bytes.fromhex(AAGUID.replace("-", "")))
    response = rewritten(site.creation_response(Behavior(**behavior), public_keys.ES256), *rewrites)
    existing = tuple(site.authenticator.credentials) if any("existing" in fault for fault in faults) else ()
    with pytest.raises(CeremonyRefused) as caught:
        site.register(response, existing)
    return caught.value.reason


@pytest.mark.parametrize(("reason", "fault"), FAULTS, ids=[reason for reason, _ in FAULTS])
def test_a_registration_with_one_fault_is_refused_with_its_reason(reason: str, fault: dict[str, Any]) -> None:
    assert refusal_of(fault) == reason


def test_of_two_faults_the_earlier_check_gives_the_reason() -> None:
    for (reason, first), (_, second) in itertools.combinations(FAULTS, 2):
        assert refusal_of(first, second) == reason


@pytest.mark.parametrize("algorithm", public_keys.OFFERED)
@pytest.mark.parametrize("attestation", ["none", "packed"])
def test_a_registration_returns_what_is_to_be_stored(
    algorithm: int, attestation: Literal["none", "packed"]
) -> None:
    site = Site(backup_eligible=True, backed_up=True, aaguid=bytes.fromhex(AAGUID.replace("-", "")))
    response = site.creation_response(Behavior(attestation=attestation), algorithm)
    made = site.register(response)
    (credential,) = site.authenticator.credentials.values()
    assert made.id == credential.id
    assert made.algorithm == algorithm
    assert public_keys.algorithm_of(public_keys.of_stored(made.public_key)) == algorithm
    assert (made.aaguid, made.sign_count) == (AAGUID, 1)
    assert (made.backup_eligible, made.backed_up, made.user_verified) == (True, True, True)
    assert (made.discoverable, made.transports, made.attachment) == (True, ("internal",), "platform")
    assert (made.format, made.trust) == (attestation, "self" if attestation == "packed" else "none")


def test_without_a_word_from_the_browser_nothing_is_known_about_discoverability() -> None:
    response = Site().creation_response()
    del (
        response["clientExtensionResults"],
        response["authenticatorAttachment"],
        response["response"]["transports"],
    )
    made = Site().register(response)
    assert (made.discoverable, made.transports, made.attachment) == (None, (), None)
    response["clientExtensionResults"] = {"credProps": {}, "other": [1]}
    assert Site().register(response).discoverable is None


def test_only_known_attachments_and_names_of_transports_are_kept() -> None:
    response = Site().creation_response()
    response["authenticatorAttachment"] = "implant"
    response["response"]["transports"] = ["usb", "<b>", "x" * 40, "usb", "smart-card", ""]
    made = Site().register(response)
    assert (made.attachment, made.transports) == (None, ("smart-card", "usb"))


def test_no_more_than_eight_transports_are_kept() -> None:
    response = Site().creation_response()
    response["response"]["transports"] = ["x" * length for length in range(1, 20)]
    assert len(Site().register(response).transports) == 8


def test_user_verification_is_reported_where_it_is_not_required() -> None:
    site = Site()
    assert not site.register(site.creation_response(Behavior(user_verified=False))).user_verified


@pytest.mark.parametrize("top_origin", ["https://portal.example.com", None])
def test_a_framed_page_is_accepted_only_below_a_listed_top_origin(top_origin: str | None) -> None:
    behavior = Behavior(cross_origin=True, top_origin="https://portal.example.com")
    site = Site(settings=with_settings(top_origins=(top_origin,) if top_origin else ()))
    response = site.creation_response(behavior)
    if top_origin:
        assert site.register(response)
    else:
        with pytest.raises(CeremonyRefused, match="framed"):
            site.register(response)


def test_a_top_origin_counts_as_a_frame_even_if_the_page_is_of_the_same_origin() -> None:
    site = Site()
    with pytest.raises(CeremonyRefused) as caught:
        site.register(site.creation_response(Behavior(top_origin="https://portal.example.com")))
    assert caught.value.reason == "webauthn_cross_origin"


def test_a_frame_without_a_top_origin_is_refused_even_where_top_origins_are_listed() -> None:
    site = Site(settings=with_settings(top_origins=("https://portal.example.com",)))
    with pytest.raises(CeremonyRefused) as caught:
        site.register(site.creation_response(Behavior(cross_origin=True)))
    assert caught.value.reason == "webauthn_cross_origin"


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.org",
        "https://a.auth.example.org",
        "https://auth.example.org:8443",
        "http://auth.example.org",
        "https://auth.example.org/",
        "https://AUTH.example.org",
        "https://auth.example.org.evil.example",
        "null",
        "",
    ],
)
def test_an_origin_is_compared_exactly(origin: str) -> None:
    site = Site()
    with pytest.raises(CeremonyRefused) as caught:
        site.register(site.creation_response(Behavior(origin=origin or " ")))
    assert caught.value.reason == "webauthn_origin_mismatch"


POLICIES: Final[list[tuple[dict[str, Any], bool, bool]]] = [
    ({}, True, True),
    ({"backup_eligible": "deny"}, False, True),
    ({"backup_eligible": "deny"}, True, False),
    ({"aaguids_allowed": (AAGUID, OTHER)}, True, True),
    ({"aaguids_allowed": (OTHER,)}, False, False),
    ({"aaguids_denied": (OTHER,)}, False, True),
    ({"aaguids_denied": (AAGUID,)}, False, False),
    ({"aaguids_allowed": (AAGUID,), "backup_eligible": "deny"}, True, False),
]


@pytest.mark.parametrize(("policy", "synced", "accepted"), POLICIES)
def test_policy_decides_by_model_and_backup(policy: dict[str, Any], synced: bool, accepted: bool) -> None:
    settings = with_settings(**policy)
    assert isinstance(settings, RelyingParty)
    site = Site(settings=settings, aaguid=bytes.fromhex(AAGUID.replace("-", "")), backup_eligible=synced)
    if accepted:
        assert site.register().aaguid == AAGUID
        return
    with pytest.raises(CeremonyRefused) as caught:
        site.register()
    assert caught.value.reason == "webauthn_authenticator_not_allowed"


STATEMENTS: Final[list[tuple[str, dict[str, Any], str]]] = [
    ("none", {"alg": -7}, "webauthn_attestation_not_supported"),
    ("packed", {}, "webauthn_attestation_not_supported"),
    ("packed", {"alg": -7}, "webauthn_attestation_not_supported"),
    ("packed", {"alg": "-7", "sig": b"1"}, "webauthn_attestation_not_supported"),
    ("packed", {"alg": -7, "sig": "1"}, "webauthn_attestation_not_supported"),
    ("tpm", {"alg": -7, "sig": b"1"}, "webauthn_attestation_not_supported"),
    ("packed", {"alg": -7, "sig": b"1"}, "webauthn_signature_invalid"),
]


@pytest.mark.parametrize(("kind", "statement", "reason"), STATEMENTS)
def test_an_attestation_that_nothing_can_read_is_refused(
    kind: str, statement: dict[str, Any], reason: str
) -> None:
    def change(attestation: dict[str, Any]) -> None:
        attestation |= {"fmt": kind, "attStmt": statement}

    site = Site()
    with pytest.raises(CeremonyRefused) as caught:
        site.register(rewritten(site.creation_response(algorithm=public_keys.ES256), change))
    assert caught.value.reason == reason


def test_a_self_attestation_must_name_the_algorithm_of_its_key() -> None:
    def change(attestation: dict[str, Any]) -> None:
        attestation["attStmt"]["alg"] = public_keys.RS256

    site = Site()
    with pytest.raises(CeremonyRefused) as caught:
        site.register(rewritten(site.creation_response(Behavior(attestation="packed")), change))
    assert caught.value.reason == "webauthn_signature_invalid"


def test_certificates_are_kept_apart_from_what_was_verified() -> None:
    def change(attestation: dict[str, Any]) -> None:
        attestation |= {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"1", "x5c": [b"2"]}}

    site = Site()
    assert site.register(rewritten(site.creation_response(), change)).trust == "unverified"


def test_the_credential_of_the_response_must_be_the_one_that_was_made() -> None:
    site = Site()
    response = site.creation_response()
    response["id"] = response["rawId"] = to_text(HANDLE)
    with pytest.raises(CeremonyRefused) as caught:
        site.register(response)
    assert caught.value.reason == "webauthn_response_malformed"


def test_a_registration_without_a_credential_is_refused() -> None:
    def change(attestation: dict[str, Any]) -> None:
        data = bytearray(attestation["authData"][:37])
        data[32] &= ~0x40
        attestation["authData"] = bytes(data)

    site = Site()
    with pytest.raises(CeremonyRefused) as caught:
        site.register(rewritten(site.creation_response(), change))
    assert caught.value.reason == "webauthn_response_malformed"


def test_an_assertion_is_no_registration() -> None:
    site = Site()
    site.creation_response()
    with pytest.raises(CeremonyRefused) as caught:
        site.register(site.request_response())
    assert caught.value.reason == "webauthn_response_malformed"
