"""Attestation: a model's key vouches for a new credential (WebAuthn section 6.5).

`fido2` verifies the statement of a format; the chain is verified here, against the roots of the model that
the authenticator claims to be. Without such a model nothing vouches for the AAGUID.
"""

import hashlib
import struct
from typing import TYPE_CHECKING, Final

from authfactor.webauthn.certificates import InvalidChain, check_chain
from authfactor.webauthn.refusals import CeremonyRefused

if TYPE_CHECKING:
    from authfactor.models.passkeys import AuthenticatorModel
    from authfactor.webauthn.responses import RegistrationResponse

# Of these, `fido2` verifies statements. Others are kept as `unverified`.
_VERIFIED: Final = frozenset({"packed", "fido-u2f", "tpm", "apple"})
_UNREADABLE: Final = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    struct.error,
)


def is_attested(response: "RegistrationResponse", model: "AuthenticatorModel | None", now: int) -> bool:
    """Tell whether a response is vouched for by the model that it names. `now` in milliseconds.

    Raises `CeremonyRefused` for a statement that is wrong by itself.
    """
    chain = _verified_chain(response)
    if model is None or not chain:
        return False
    try:
        check_chain(chain, model.roots, now)
    except InvalidChain:
        return False
    return True


def _verified_chain(response: "RegistrationResponse") -> list[bytes]:
    """Return the certificates of a statement whose signature is right; none if its format is not verified."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - not at a start
    from fido2.attestation.base import Attestation, InvalidAttestation  # noqa: PLC0415 - the same
    from fido2.webauthn import AuthenticatorData  # noqa: PLC0415 - the same

    given = response.attestation
    if given.format not in _VERIFIED:
        return []
    digest = hashlib.sha256(response.client_data_json).digest()
    try:
        verifier = Attestation.for_type(given.format)()
        found = verifier.verify(given.statement, AuthenticatorData(given.report.raw), digest)
    except (InvalidAttestation, UnsupportedAlgorithm, *_UNREADABLE) as error:
        message = "The attestation is not signed as its format asks."
        raise CeremonyRefused("webauthn_signature_invalid", message) from error
    return list(found.trust_path)
