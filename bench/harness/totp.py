"""TOTP codes for the load (RFC 6238: SHA-1, 6 digits, 30 s), implemented independently of the product."""

import base64
import hmac
import secrets

PERIOD = 30


def new_secret() -> str:
    """Return a new secret of 160 bits in base32."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code(secret: str, step: int) -> str:
    """Return the code of one step (RFC 4226 section 5.3)."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    offset = digest[19] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"
