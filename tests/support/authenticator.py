"""An authenticator app for tests: RFC 6238 implemented independently of the product."""

import base64
import hmac
import struct
import time
from typing import Final

PERIOD: Final = 30


def code_at(secret: str, step: int, algorithm: str = "SHA1", digits: int = 6) -> str:
    """Return the digits of a base32 secret for a time step (RFC 4226 section 5.3)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", step), algorithm.lower())
    at = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[at : at + 4])[0] & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def current_step() -> int:
    return int(time.time()) // PERIOD


def code(secret: str, ahead: int = 0) -> str:
    """Return the current code, or that of `ahead` steps later.

    The codes of 0 and then 1 are both in the server's window, even when a step ends in between.
    """
    return code_at(secret, current_step() + ahead)


def wrong_code(secret: str) -> str:
    """Return six digits that are no code of this secret within 20 minutes of now."""
    now = current_step()
    near = {code_at(secret, step) for step in range(now - 40, now + 41)}
    return next(digits for digits in (f"{number:06d}" for number in range(1000)) if digits not in near)
