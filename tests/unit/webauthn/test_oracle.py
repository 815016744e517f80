"""The ceremony compared with py_webauthn: both judge a response alike, or a table says why they do not."""

import json
import re
from collections import Counter
from typing import Final

import pytest

from tests.support.passkey_mutations import Mutations, ours, theirs
from tests.support.passkeys import to_bytes

SEED: Final = 20

# What only the ceremony refuses: part of its message, and why it is right.
STRICTER: Final = {
    "framed by another site": "crossOrigin is read and never looked at; topOrigin is unknown",
    "eligibility never changes": "there is no stored flag to compare with (WebAuthn 7.2)",
    "Another passkey was asked for": "allowed credentials are the caller's business",
    "names another user, or none": "so are user handles",
    "base64url without padding": "Python's decoder ignores padding and foreign characters",
    "longer than 1023 bytes": "there is no longest credential id (WebAuthn 7.1)",
    "not about the credential of the response": "the attested id is returned, whatever rawId says",
    r"format of PublicKeyCredential\.toJSON": "extensions and attachments of a wrong type are ignored",
    "members of client data": "crossOrigin may be any JSON value",
    "attestation object cannot be parsed": "bytes behind it and a missing attStmt are ignored",
    "exactly the members": "other members are ignored",
    "authenticator data cannot be parsed": "null, floats and any depth are decoded",
    "public key does not fit": "a key that cannot be used is stored, and fails at the first sign-in",
    "public key cannot verify": "the same, for a point that is not on the curve",
    "neither none nor packed": "unknown members of a statement are ignored",
}
# What only py_webauthn refuses: part of its message, and why the ceremony is right.
LOOSER: Final = {
    r"sign count of \d+ was not greater": "a synced passkey's count is a signal, no proof (decision 0047)",
    "unexpected authenticatorAttachment": "an unknown attachment is as none at all (WebAuthn 5.1)",
    "token_binding status|clientDataJSON was malformed": "Level 3 has no token binding any more",
}


def explanation(message: str, table: dict[str, str]) -> str | None:
    return next((part for part in table if re.search(part, message)), None)


def compare(count: int) -> Counter[str]:
    """Compare that many registrations and assertions; return how often each outcome came."""
    mutations, outcomes = Mutations(SEED), Counter[str]()
    for number in range(count):
        case = mutations.assertion() if number % 2 else mutations.registration()
        (verdict, ours_said), (their_verdict, they_said) = ours(case), theirs(case)
        if verdict == their_verdict == "accepted":
            assert ours_said == they_said, case
            outcomes["both accept"] += 1
        elif verdict == "accepted":
            found = explanation(they_said, LOOSER)
            assert found is not None, (they_said, case)
            if "sign count" in found:
                assert case.row is not None, case
                assert case.row.backup_eligible, case
            if "token_binding" in found:
                client_data = json.loads(to_bytes(case.response["response"]["clientDataJSON"]))
                assert "tokenBinding" in client_data, case
            outcomes[found] += 1
        elif their_verdict == "accepted":
            found = explanation(ours_said, STRICTER)
            assert found is not None, (ours_said, case)
            outcomes[found] += 1
        else:
            outcomes["both refuse"] += 1
        outcomes[verdict] += 1
    return outcomes


def test_several_hundred_responses_are_judged_like_py_webauthn_judges_them() -> None:
    outcomes = compare(600)
    assert outcomes["both accept"] > 100
    assert outcomes["both refuse"] > 100


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_ten_thousand_responses_are_judged_like_py_webauthn_judges_them() -> None:
    outcomes = compare(10_000)
    print(*(f"{count:6} {outcome}" for outcome, count in outcomes.most_common()), sep="\n")  # noqa: T201 - for `make nightly`
    # Every row of the tables is needed.
    assert [part for part in (*STRICTER, *LOOSER) if not outcomes[part]] == []
    # What depends on other stored rows is not mutated here.
    expected = {
        "webauthn_type_mismatch",
        "webauthn_challenge_mismatch",
        "webauthn_origin_mismatch",
        "webauthn_cross_origin",
        "webauthn_rp_id_mismatch",
        "webauthn_user_not_present",
        "webauthn_user_not_verified",
        "webauthn_algorithm_not_offered",
        "webauthn_backup_state_invalid",
        "webauthn_backup_flag_changed",
        "webauthn_credential_not_allowed",
        "webauthn_user_handle_mismatch",
        "webauthn_signature_invalid",
        "webauthn_attestation_not_supported",
        "webauthn_counter_not_growing",
        "webauthn_response_malformed",
    }
    assert {each for each in outcomes if each.startswith("webauthn_")} == expected
