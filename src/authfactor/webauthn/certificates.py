"""Chains of certificates that lead to given roots: of metadata, and of attestations.

RFC 5280 section 6, without names, policies and revocation: a root is trusted for what it was given for, and
the server fetches nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

MAX_CERTIFICATES: Final = 8
_PEM: Final = b"-----BEGIN CERTIFICATE-----"


class InvalidChain(ValueError):
    """The certificates do not lead to a root; the message says where they end."""


def read_roots(content: bytes) -> list[bytes]:
    """Return the certificates of a PEM or DER file, as DER. Raises `InvalidChain`."""
    from cryptography import x509  # noqa: PLC0415 - not at a start
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - the same

    try:
        if _PEM not in content:
            return [x509.load_der_x509_certificate(content).public_bytes(Encoding.DER)]
        return [each.public_bytes(Encoding.DER) for each in x509.load_pem_x509_certificates(content)]
    except ValueError as error:
        raise InvalidChain("this is no certificate in PEM or DER") from error


def check_chain(chain: Sequence[bytes], roots: Sequence[bytes], now: int) -> "Certificate":
    """Check that a chain leads to a root, and return its first certificate. Each is DER, its issuer next.

    `now` in milliseconds; a certificate that is among the roots needs no issuer. Raises `InvalidChain`.
    """
    if not 0 < len(chain) <= MAX_CERTIFICATES:
        raise InvalidChain(f"it has 1 to {MAX_CERTIFICATES} certificates")
    path = [_loaded(each) for each in chain]
    anchors = [found for found in map(_loaded_or_none, roots) if found is not None]
    at = datetime.fromtimestamp(now / 1000, UTC)
    if path[0] not in anchors:
        while path[-1] in anchors:
            path.pop()
        for below, (issued, issuer) in enumerate(pairwise(path)):
            if not _has_issued(issuer, issued, below):
                raise InvalidChain(f"certificate {below + 1} was not issued by the next one")
        issuers = [each for each in anchors if _has_issued(each, path[-1], len(path) - 1)]
        if not issuers:
            raise InvalidChain("it leads to none of the given roots")
        path.append(issuers[0])
    for number, each in enumerate(path, 1):
        if not each.not_valid_before_utc <= at <= each.not_valid_after_utc:
            raise InvalidChain(f"certificate {number} is not valid now, or this computer's clock is wrong")
    return path[0]


def _has_issued(issuer: "Certificate", issued: "Certificate", below: int) -> bool:
    """Tell whether a certificate may issue others, with so many authorities below it, and issued this one."""
    from cryptography import x509  # noqa: PLC0415 - not at a start
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415 - the same

    try:
        extensions = issuer.extensions
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        if not constraints.ca or (constraints.path_length is not None and constraints.path_length < below):
            return False
        issued.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    return True


def _loaded(certificate: bytes) -> "Certificate":
    from cryptography import x509  # noqa: PLC0415 - not at a start

    try:
        return x509.load_der_x509_certificate(certificate)
    except (ValueError, TypeError) as error:
        raise InvalidChain("one of its certificates cannot be parsed") from error


def _loaded_or_none(certificate: bytes) -> "Certificate | None":
    """Return a root; None for one that cannot be parsed, which then has issued nothing."""
    try:
        return _loaded(certificate)
    except InvalidChain:
        return None
