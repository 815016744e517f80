"""Base64url without padding, the only spelling of bytes in WebAuthn's JSON (section 5.1.8)."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

from authfactor.webauthn.refusals import malformed


def encode(value: bytes) -> str:
    """Return the text for the bytes."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def decode(text: str, field: str, longest: int) -> bytes:
    """Return the bytes of a text in its one spelling: no padding, no other characters, no stray bits.

    Raises `CeremonyRefused` otherwise, and for more than `longest` bytes.
    """
    if len(text) > -(-longest * 4 // 3):
        raise malformed(f"{field} is longer than {longest} bytes.")
    try:
        value = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        value = b""
    # Python's decoder skips foreign characters, so what it returns is compared with what was sent.
    if encode(value) != text:
        raise malformed(f"{field} is not base64url without padding.")
    return value
