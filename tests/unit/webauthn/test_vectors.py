"""The test vectors of the WebAuthn specification: each registers and signs in."""

import json
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from authfactor.webauthn import ceremony, responses
from authfactor.webauthn.ceremony import AssertionExpected, RegisteredCredential
from authfactor.webauthn.refusals import CeremonyRefused
from authfactor.webauthn.relying_party import RelyingParty
from tests.support.passkeys import HANDLE, to_text

FILE: Final = Path(__file__).parents[1] / "vectors" / "webauthn" / "w3c.toml"
VECTORS: Final[list[dict[str, str]]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["vector"]
SETTINGS: Final = RelyingParty(rp_id="example.org", rp_name="Example", origins=("https://example.org",))


def response(vector: dict[str, str], **members: str) -> bytes:
    encoded: dict[str, Any] = {name: to_text(bytes.fromhex(vector[field])) for name, field in members.items()}
    id_ = to_text(bytes.fromhex(vector["credential_id"]))
    return json.dumps({"id": id_, "rawId": id_, "type": "public-key", "response": encoded}).encode()


@pytest.mark.parametrize("vector", VECTORS, ids=[each["name"] for each in VECTORS])
def test_a_vector_of_the_specification_registers_and_signs_in(vector: dict[str, str]) -> None:
    made = ceremony.verify_registration(
        SETTINGS,
        bytes.fromhex(vector["creation_challenge"]),
        responses.read_registration(
            response(vector, clientDataJSON="creation_client_data", attestationObject="attestation_object")
        ),
    )
    assert made.id.hex() == vector["credential_id"]
    assert made.aaguid.replace("-", "") == vector["aaguid"]
    assert (made.trust, made.backup_eligible, made.backed_up) == (vector["trust"], True, True)

    assertion = responses.read_assertion(
        response(
            vector,
            clientDataJSON="request_client_data",
            authenticatorData="authenticator_data",
            signature="signature",
        )
    )
    row = RegisteredCredential(
        made.public_key, made.sign_count, made.backup_eligible, made.aaguid, user_handle=HANDLE
    )
    expected = AssertionExpected(bytes.fromhex(vector["request_challenge"]), (made.id,))
    accepted = ceremony.verify_assertion(SETTINGS, expected, assertion, row)
    assert (accepted.sign_count, accepted.counter_went_back) == (0, False)
    with pytest.raises(CeremonyRefused):
        ceremony.verify_assertion(SETTINGS, expected._replace(challenge=bytes(32)), assertion, row)
