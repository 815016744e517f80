"""Opaque tokens: random text that a client holds; the store has only its hash."""

import base64
import hashlib

from authfactor.models import Entropy

TOKEN_BYTES = 32


def random_token(entropy: Entropy) -> str:
    """Return a token of 256 random bits, in letters, digits, `-` and `_`."""
    return base64.urlsafe_b64encode(entropy(TOKEN_BYTES)).decode("ascii").rstrip("=")


def token_hash(token: str) -> bytes:
    """Return the stored form of a token; 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
