"""Assertions: what an accepted one returns, each refusal, and the order of the checks."""

import itertools
from typing import Any, Final

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authfactor.testing.software_authenticator import Behavior
from authfactor.webauthn import public_keys
from authfactor.webauthn.refusals import CeremonyRefused
from tests.support.passkeys import HANDLE, Site, stored, to_bytes, to_text, with_settings

ZERO_AAGUID: Final = "00000000-0000-0000-0000-000000000000"
OTHER_KEY: Final = cbor2.dumps({1: 2, 3: -35, -1: 2, -2: bytes(48), -3: bytes(48)}, canonical=True)

# In the order in which they are checked: behavior, settings, row, allowed ids, signature.
FAULTS: Final[list[tuple[str, dict[str, Any]]]] = [
    ("webauthn_type_mismatch", {"behavior": {"type": "webauthn.create"}}),
    ("webauthn_challenge_mismatch", {"behavior": {"challenge": bytes(32)}}),
    ("webauthn_origin_mismatch", {"behavior": {"origin": "https://example.org"}}),
    ("webauthn_cross_origin", {"behavior": {"cross_origin": True}}),
    ("webauthn_rp_id_mismatch", {"behavior": {"rp_id": "auth.example.org"}}),
    ("webauthn_user_not_present", {"behavior": {"user_present": False}}),
    (
        "webauthn_user_not_verified",
        {"behavior": {"user_verified": False}, "settings": {"user_verification": "required"}},
    ),
    ("webauthn_credential_unknown", {"unknown": True}),
    ("webauthn_algorithm_not_offered", {"row": {"public_key": OTHER_KEY}}),
    ("webauthn_backup_state_invalid", {"behavior": {"backed_up": True}}),
    ("webauthn_backup_flag_changed", {"row": {"backup_eligible": True}}),
    ("webauthn_credential_not_allowed", {"allowed": (b"another",)}),
    ("webauthn_user_handle_mismatch", {"behavior": {"user_handle": b"another"}}),
    ("webauthn_signature_invalid", {"signature": b"another"}),
    ("webauthn_authenticator_not_allowed", {"settings": {"aaguids_denied": (ZERO_AAGUID,)}}),
    ("webauthn_counter_not_growing", {"row": {"sign_count": 9}}),
]


def refusal_of(*faults: dict[str, Any]) -> str:
    """Return the reason for which an assertion with these faults is refused."""
    behavior: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    row: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for fault in faults:
        behavior |= fault.get("behavior", {})
        changes |= fault.get("settings", {})
        row |= fault.get("row", {})
        others |= fault
    site = Site()
    made = site.register()
    site.settings = with_settings(**changes)
    response = site.request_response(Behavior(**behavior))
    if "signature" in others:
        response["response"]["signature"] = to_text(others["signature"])
    with pytest.raises(CeremonyRefused) as caught:
        site.sign_in(
            None if "unknown" in others else stored(made, **row),
            response,
            allowed=others.get("allowed", (made.id,)),
        )
    return caught.value.reason


@pytest.mark.parametrize(("reason", "fault"), FAULTS, ids=[reason for reason, _ in FAULTS])
def test_an_assertion_with_one_fault_is_refused_with_its_reason(reason: str, fault: dict[str, Any]) -> None:
    assert refusal_of(fault) == reason


def test_of_two_faults_the_earlier_check_gives_the_reason() -> None:
    for (reason, first), (_, second) in itertools.combinations(FAULTS, 2):
        assert refusal_of(first, second) == reason


@pytest.mark.parametrize("algorithm", public_keys.OFFERED)
def test_an_assertion_is_accepted_as_second_and_as_first_factor(algorithm: int) -> None:
    site = Site(backup_eligible=True)
    made = site.register(site.creation_response(algorithm=algorithm))
    second = site.sign_in(stored(made), allowed=(made.id,))
    assert (second.sign_count, second.backed_up, second.user_verified) == (2, False, True)
    assert not second.counter_went_back
    response = site.request_response(Behavior(backed_up=True), first=True)
    first = site.sign_in(stored(made), response, allowed=None)
    assert (first.sign_count, first.backed_up, first.user_verified) == (3, True, True)


def test_user_verification_is_reported_where_a_second_factor_does_not_require_it() -> None:
    site = Site()
    made = site.register()
    response = site.request_response(Behavior(user_verified=False))
    assert not site.sign_in(stored(made), response, allowed=(made.id,)).user_verified


def test_a_first_factor_always_requires_user_verification() -> None:
    site = Site(settings=with_settings(user_verification="discouraged"))
    made = site.register()
    response = site.request_response(Behavior(user_verified=False), first=True)
    with pytest.raises(CeremonyRefused) as caught:
        site.sign_in(stored(made), response, allowed=None)
    assert caught.value.reason == "webauthn_user_not_verified"


@pytest.mark.parametrize("sent", [None, b"", b"another", HANDLE[:-1]])
def test_a_first_factor_must_name_its_user(sent: bytes | None) -> None:
    site = Site()
    made = site.register()
    response = site.request_response(first=True)
    response["response"]["userHandle"] = None if sent is None else to_text(sent)
    with pytest.raises(CeremonyRefused) as caught:
        site.sign_in(stored(made), response, allowed=None)
    assert caught.value.reason == "webauthn_user_handle_mismatch"


@pytest.mark.parametrize("sent", [None, b"", HANDLE])
def test_a_second_factor_need_not_name_its_user(sent: bytes | None) -> None:
    site = Site()
    made = site.register()
    response = site.request_response()
    response["response"]["userHandle"] = None if sent is None else to_text(sent)
    assert site.sign_in(stored(made), response, allowed=(made.id,))
    del response["response"]["userHandle"]
    assert site.sign_in(stored(made), response, allowed=(made.id,))


def test_a_user_without_passkeys_is_allowed_none() -> None:
    site = Site()
    made = site.register()
    with pytest.raises(CeremonyRefused) as caught:
        site.sign_in(stored(made), site.request_response(), allowed=())
    assert caught.value.reason == "webauthn_credential_not_allowed"


def test_policy_that_became_stricter_applies_to_credentials_that_exist() -> None:
    site = Site(backup_eligible=True)
    made = site.register()
    site.settings = with_settings(backup_eligible="deny")
    with pytest.raises(CeremonyRefused) as caught:
        site.sign_in(stored(made), allowed=(made.id,))
    assert caught.value.reason == "webauthn_authenticator_not_allowed"


COUNT: Final = st.integers(0, 2**32 - 1) | st.integers(0, 3)


@settings(max_examples=60, deadline=None)
@given(kept=COUNT, sent=COUNT, synced=st.booleans())
def test_a_count_grows_or_is_refused_or_is_a_signal_and_is_never_lowered(
    kept: int, sent: int, synced: bool
) -> None:
    site = Site(backup_eligible=synced)
    made = site.register()
    row = stored(made, sign_count=kept)
    response = site.request_response(Behavior(counter=sent))
    grows = sent > kept or sent == kept == 0
    if not grows and not synced:
        with pytest.raises(CeremonyRefused) as caught:
            site.sign_in(row, response, allowed=(made.id,))
        assert caught.value.reason == "webauthn_counter_not_growing"
        return
    accepted = site.sign_in(row, response, allowed=(made.id,))
    assert accepted.counter_went_back is not grows
    assert accepted.sign_count == max(kept, sent)


@settings(max_examples=60, deadline=None)
@given(
    field=st.sampled_from(["clientDataJSON", "authenticatorData", "signature"]),
    at=st.integers(0),
    by=st.integers(0, 7),
)
def test_no_bit_that_is_signed_can_be_changed(field: str, at: int, by: int) -> None:
    site = Site()
    made = site.register()
    response = site.request_response()
    value = bytearray(to_bytes(response["response"][field]))
    value[at % len(value)] ^= 1 << by
    response["response"][field] = to_text(bytes(value))
    with pytest.raises(CeremonyRefused):
        site.sign_in(stored(made), response, allowed=(made.id,))


def test_a_registration_is_no_assertion() -> None:
    site = Site()
    response = site.creation_response()
    made = site.register(response)
    with pytest.raises(CeremonyRefused) as caught:
        site.sign_in(stored(made), response, allowed=(made.id,))
    assert caught.value.reason == "webauthn_response_malformed"


def test_another_users_key_does_not_verify() -> None:
    site, other = Site(), Site(seed=2)
    site.register()
    made = other.register()
    with pytest.raises(CeremonyRefused) as caught:
        site.sign_in(stored(made), allowed=tuple(site.authenticator.credentials))
    assert caught.value.reason == "webauthn_signature_invalid"
