"""Tokens of mailed links: 25 letters and digits, stored as a hash, and sealed for the API."""

import hashlib
import string
from typing import Final
from urllib.parse import urlencode, urlsplit

from authfactor.models import Entropy

LENGTH: Final = 25
_ALPHABET: Final = string.ascii_letters + string.digits
# 256 bits for a number below 2^149, so no token is likelier than another by a measurable amount.
_ENTROPY_BYTES: Final = 32


def random_token(entropy: Entropy) -> str:
    """Return a token of 148 random bits."""
    number = int.from_bytes(entropy(_ENTROPY_BYTES), "big")
    characters = []
    for _ in range(LENGTH):
        number, at = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[at])
    return "".join(characters)


def token_hash(token: str) -> bytes:
    """Return the stored form of a token; 148 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def url_with(page: str, **parameters: str) -> str:
    """Return the URL of a page with more query parameters."""
    return f"{page}{'&' if urlsplit(page).query else '?'}{urlencode(parameters)}"
