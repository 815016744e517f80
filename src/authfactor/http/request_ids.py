"""Request ids: random UUIDs."""

from typing import Final

from authfactor.core import Authfactor

_VARIANT: Final = {f"{digit:x}": f"{digit & 0x3 | 0x8:x}" for digit in range(16)}


class RequestIds:
    """Generates UUIDs of version 4 from blocks of 4096 random bytes."""

    def __init__(self, af: Authfactor) -> None:
        """Use the installation's entropy source."""
        self._entropy = af.entropy
        self._digits = ""
        self._position = 0

    def __call__(self) -> str:
        """Return a new id (RFC 9562 section 5.4): digit 13 is the version, digit 17 holds the variant."""
        start = self._position
        if start >= len(self._digits):
            self._digits, start = self._entropy(4096).hex(), 0
        self._position = start + 32
        text = self._digits[start : start + 32]
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"
