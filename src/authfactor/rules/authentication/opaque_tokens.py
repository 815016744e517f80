"""Opaque tokens: random text that a client holds; the store has only its hash."""

import base64

from authfactor.models import Entropy

TOKEN_BYTES = 32


def random_token(entropy: Entropy) -> str:
    """Return a token of 256 random bits, in letters, digits, `-` and `_`."""
    return base64.urlsafe_b64encode(entropy(TOKEN_BYTES)).decode("ascii").rstrip("=")
