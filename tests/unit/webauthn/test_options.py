"""Options of both ceremonies, as browsers parse them."""

from typing import Final

import pytest
from webauthn.helpers import parse_authentication_options_json, parse_registration_options_json
from webauthn.helpers.structs import (
    AuthenticatorAttachment,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from authfactor.webauthn import options
from authfactor.webauthn.options import Account, KnownCredential
from tests.support.passkeys import CHALLENGE, HANDLE, SETTINGS, to_text, with_settings

ACCOUNT: Final = Account(HANDLE, "kim@example.org", "Kim")
KNOWN: Final = (KnownCredential(b"first", ("usb", "nfc")), KnownCredential(b"second"))


def test_creation_options_have_every_member() -> None:
    settings = with_settings(
        attachment="cross-platform", resident_key="required", hints=("security-key", "hybrid")
    )
    assert options.creation_options(settings, ACCOUNT, CHALLENGE, KNOWN) == {
        "rp": {"id": "example.org", "name": "Acme"},
        "user": {"id": to_text(HANDLE), "name": "kim@example.org", "displayName": "Kim"},
        "challenge": to_text(CHALLENGE),
        "pubKeyCredParams": [
            {"type": "public-key", "alg": -8},
            {"type": "public-key", "alg": -7},
            {"type": "public-key", "alg": -257},
        ],
        "timeout": 300_000,
        "excludeCredentials": [
            {"type": "public-key", "id": to_text(b"first"), "transports": ["usb", "nfc"]},
            {"type": "public-key", "id": to_text(b"second")},
        ],
        "authenticatorSelection": {
            "authenticatorAttachment": "cross-platform",
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "preferred",
        },
        "hints": ["security-key", "hybrid"],
        "attestation": "none",
        "extensions": {"credProps": True},
    }


def test_creation_options_are_those_of_another_implementation() -> None:
    settings = with_settings(attachment="platform", user_verification="required")
    parsed = parse_registration_options_json(options.creation_options(settings, ACCOUNT, CHALLENGE, KNOWN))
    assert (parsed.rp.id, parsed.rp.name) == ("example.org", "Acme")
    assert (parsed.user.id, parsed.user.name, parsed.user.display_name) == ACCOUNT
    assert (parsed.challenge, parsed.timeout) == (CHALLENGE, 300_000)
    assert [each.alg for each in parsed.pub_key_cred_params] == [-8, -7, -257]
    assert [each.id for each in parsed.exclude_credentials or []] == [b"first", b"second"]
    selection = parsed.authenticator_selection
    assert selection is not None
    assert selection.authenticator_attachment == AuthenticatorAttachment.PLATFORM
    assert selection.resident_key == ResidentKeyRequirement.PREFERRED
    assert selection.user_verification == UserVerificationRequirement.REQUIRED


def test_an_attachment_is_left_to_the_user_unless_one_is_set() -> None:
    selection = options.creation_options(SETTINGS, ACCOUNT, CHALLENGE, ())["authenticatorSelection"]
    assert "authenticatorAttachment" not in selection
    assert not selection["requireResidentKey"]


def test_options_of_a_second_factor_name_the_users_credentials() -> None:
    asked = options.request_options(with_settings(hints=("client-device",)), CHALLENGE, KNOWN)
    assert asked == {
        "challenge": to_text(CHALLENGE),
        "timeout": 300_000,
        "rpId": "example.org",
        "allowCredentials": [
            {"type": "public-key", "id": to_text(b"first"), "transports": ["usb", "nfc"]},
            {"type": "public-key", "id": to_text(b"second")},
        ],
        "userVerification": "preferred",
        "hints": ["client-device"],
    }
    parsed = parse_authentication_options_json(asked)
    assert (parsed.challenge, parsed.rp_id) == (CHALLENGE, "example.org")


def test_options_of_a_first_factor_name_no_user_and_require_user_verification() -> None:
    asked = options.request_options(with_settings(user_verification="discouraged"), CHALLENGE, None)
    assert asked["allowCredentials"] == []
    assert asked["userVerification"] == "required"


@pytest.mark.parametrize("asked", ["required", "preferred", "discouraged"])
def test_options_of_a_second_factor_ask_for_user_verification_as_set(asked: str) -> None:
    made = options.request_options(with_settings(user_verification=asked), CHALLENGE, KNOWN)
    assert made["userVerification"] == asked
    assert (
        options.request_options(with_settings(user_verification=asked), CHALLENGE, ())["userVerification"]
        == asked
    )
