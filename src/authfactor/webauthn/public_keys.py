"""Public keys of credentials in COSE (RFC 9053): offered algorithms, what a key must be, signatures."""

from typing import TYPE_CHECKING, Any, Final

from authfactor.webauthn.refusals import CeremonyRefused, malformed

if TYPE_CHECKING:
    from fido2.cose import CoseKey

EDDSA: Final = -8
ES256: Final = -7
RS256: Final = -257
OFFERED: Final = (EDDSA, ES256, RS256)
"""COSE algorithms of the creation options, in order of preference."""

# Labels of a COSE key and their values (RFC 9052 section 7, RFC 9053 section 7, RFC 8230 section 4).
_KTY: Final = 1
_ALG: Final = 3
_CURVE_AND_KTY: Final = {EDDSA: (6, 1), ES256: (1, 2)}
_COORDINATES: Final = {EDDSA: (-2,), ES256: (-2, -3)}
_COORDINATE_BYTES: Final = 32
_RSA_KTY: Final = 3
# 2048 to 4096 bits: shorter ones are weak, and each verification with a longer one costs more.
_MODULUS_BYTES: Final = range(256, 513)
_LONGEST_EXPONENT: Final = 4


def check_key(key: "CoseKey") -> None:
    """Check that a new credential's key has an offered algorithm and can verify signatures.

    Raises `CeremonyRefused`: a key that never verifies would be found out at the first sign-in.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415 - not at a start

    check_algorithm(key)
    if not (_is_rsa(key) if key[_ALG] == RS256 else _is_on_its_curve(key)):
        raise malformed("The public key does not fit its algorithm.")
    try:
        key.verify(b"", b"")
    except InvalidSignature:
        return
    except (ValueError, UnsupportedAlgorithm):
        pass
    raise malformed("The public key cannot verify signatures.")


def check_algorithm(key: "CoseKey") -> None:
    """Check that the creation options offer the key's algorithm. Raises `CeremonyRefused`."""
    if key.get(_ALG) not in OFFERED:
        raise CeremonyRefused("webauthn_algorithm_not_offered", "The key's algorithm was not offered.")


def algorithm_of(key: "CoseKey") -> int:
    """Return the COSE algorithm of a key that `check_key` accepted."""
    return int(key[_ALG])


def stored_form(key: "CoseKey") -> bytes:
    """Return the key as canonical CBOR."""
    from fido2 import cbor  # noqa: PLC0415 - not at a start

    return cbor.encode(dict(key))


def of_stored(stored: bytes) -> "CoseKey":
    """Return the key that `stored_form` returned as bytes."""
    from fido2 import cbor  # noqa: PLC0415 - not at a start
    from fido2.cose import CoseKey  # noqa: PLC0415 - the same

    decoded: Any = cbor.decode(stored)
    return CoseKey.parse(decoded)


def is_signed_by(key: "CoseKey", message: bytes, signature: bytes) -> bool:
    """Tell whether the signature over the message is the key's."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - not at a start

    try:
        key.verify(message, signature)
    except InvalidSignature:
        return False
    return True


def _is_on_its_curve(key: "CoseKey") -> bool:
    """Tell whether curve and type belong to the algorithm, and coordinates have their length."""
    algorithm = key[_ALG]
    coordinates = [key.get(label) for label in _COORDINATES[algorithm]]
    return (key.get(-1), key.get(_KTY)) == _CURVE_AND_KTY[algorithm] and all(
        isinstance(each, bytes) and len(each) == _COORDINATE_BYTES for each in coordinates
    )


def _is_rsa(key: "CoseKey") -> bool:
    """Tell whether modulus and exponent have lengths that are in use."""
    modulus, exponent = key.get(-1), key.get(-2)
    return (
        key.get(_KTY) == _RSA_KTY
        and isinstance(modulus, bytes)
        and isinstance(exponent, bytes)
        and len(modulus) in _MODULUS_BYTES
        and len(exponent) <= _LONGEST_EXPONENT
    )
