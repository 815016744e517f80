"""Public keys: what a new credential's key must be."""

from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fido2.cose import CoseKey

from authfactor.webauthn import public_keys
from authfactor.webauthn.public_keys import EDDSA, ES256, RS256
from authfactor.webauthn.refusals import CeremonyRefused

POINT: Final = ec.derive_private_key(7, ec.SECP256R1()).public_key().public_numbers()
ON_P256: Final[dict[int, Any]] = {
    1: 2,
    3: ES256,
    -1: 1,
    -2: POINT.x.to_bytes(32, "big"),
    -3: POINT.y.to_bytes(32, "big"),
}
ON_ED25519: Final[dict[int, Any]] = {
    1: 1,
    3: EDDSA,
    -1: 6,
    -2: ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw(),
}


def rsa_key(bits: int, exponent: bytes = b"\1\0\1") -> dict[int, Any]:
    modulus = (1 << bits - 1 | 1).to_bytes(bits // 8, "big")
    return {1: 3, 3: RS256, -1: modulus, -2: exponent}


def reason_of(members: dict[int, Any]) -> str | None:
    try:
        public_keys.check_key(CoseKey.parse(members))
    except CeremonyRefused as refusal:
        return refusal.reason
    return None


@pytest.mark.parametrize("key", [ON_P256, ON_ED25519, rsa_key(2048), rsa_key(3072), rsa_key(4096, b"\3")])
def test_usable_keys_are_accepted_and_stored(key: dict[int, Any]) -> None:
    assert reason_of(key) is None
    parsed = CoseKey.parse(key)
    kept = public_keys.of_stored(public_keys.stored_form(parsed))
    assert (kept, type(kept)) == (parsed, type(parsed))


@pytest.mark.parametrize("algorithm", [-9, -19, -35, -36, -37, -47, -48, -65535, 7, "ES256"])
def test_an_algorithm_that_was_not_offered_is_refused(algorithm: object) -> None:
    assert reason_of(ON_P256 | {3: algorithm}) == "webauthn_algorithm_not_offered"


UNUSABLE: Final[list[dict[int, Any]]] = [
    ON_P256 | {1: 1},
    ON_P256 | {-1: 2},
    ON_P256 | {-1: 8},
    ON_P256 | {-2: bytes(31)},
    ON_P256 | {-2: bytes(33)},
    ON_P256 | {-3: True},  # a compressed point
    ON_P256 | {-3: bytes(32)},  # not on the curve
    ON_P256 | {-2: b"\xff" * 32},
    {label: value for label, value in ON_P256.items() if label != -3},
    {label: value for label, value in ON_P256.items() if label != -1},
    ON_ED25519 | {1: 2},
    ON_ED25519 | {-1: 7},
    ON_ED25519 | {-2: bytes(31)},
    ON_ED25519 | {-2: 5},
    ON_P256 | {3: EDDSA},
    ON_ED25519 | {3: ES256},
    ON_P256 | {3: RS256},
    rsa_key(1024),
    rsa_key(2040),
    rsa_key(4104),
    rsa_key(65536),
    rsa_key(2048, b"\1\0\0\0\1"),
    rsa_key(2048, b"\1"),
    rsa_key(2048, b"\4"),
    rsa_key(2048, b""),
    rsa_key(2048) | {1: 2},
    rsa_key(2048) | {-1: 5},
    rsa_key(2048) | {-2: 5},
    rsa_key(2048) | {-1: bytes(256)},
]


@pytest.mark.parametrize("key", UNUSABLE)
def test_a_key_that_could_never_verify_is_refused_at_registration(key: dict[int, Any]) -> None:
    assert reason_of(key) == "webauthn_response_malformed"


def test_generated_rsa_keys_are_accepted() -> None:
    numbers = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    key = {1: 3, 3: RS256, -1: numbers.n.to_bytes(256, "big"), -2: b"\1\0\1"}
    assert reason_of(key) is None
    assert not public_keys.is_signed_by(CoseKey.parse(key), b"message", bytes(256))
