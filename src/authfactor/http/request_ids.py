"""Request ids: random UUIDs, made in bulk."""

from typing import Final

from authfactor.core import Authfactor

_VARIANT: Final = {f"{digit:x}": f"{digit & 0x3 | 0x8:x}" for digit in range(16)}


class RequestIds:
    """Random UUIDs, version 4, from a block of entropy at a time."""

    def __init__(self, af: Authfactor) -> None:
        """Draw on the same entropy source as everything else."""
        self._entropy = af.entropy
        self._digits = ""
        self._at = 0

    def __call__(self) -> str:
        """Make one (RFC 9562 section 5.4): the thirteenth digit is the version, two bits the variant."""
        at = self._at
        if at >= len(self._digits):
            self._digits, at = self._entropy(4096).hex(), 0
        self._at = at + 32
        text = self._digits[at : at + 32]
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"
