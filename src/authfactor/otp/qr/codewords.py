"""Encode a text's bytes as codewords, in the order in which they are placed (ISO/IEC 18004, 7.4 to 7.6)."""

from typing import Final

from authfactor.otp.qr.reedsolomon import check_codewords
from authfactor.otp.qr.versions import LAST_VERSION, capacity

_BYTE_MODE: Final = 0b0100
_PADDING: Final = bytes((0xEC, 0x11)) * (capacity(LAST_VERSION).data // 2)


def data_codewords(text: bytes, version: int) -> bytes:
    """Return mode, length, text, terminator and padding: everything before error correction."""
    held = capacity(version)
    # In byte mode the mode and the terminator are half a codeword each, so the sum is always whole.
    head = _BYTE_MODE << 8 * held.length_bytes | len(text)
    packed = (head << 8 * len(text) | int.from_bytes(text)) << 4
    used = packed.to_bytes(1 + held.length_bytes + len(text))
    return used + _PADDING[: held.data - len(used)]


def interleaved(codewords: bytes, version: int) -> bytes:
    """Append the check codewords of each block and interleave the blocks."""
    data, blocks, short, longer, checks, _ = capacity(version)
    if blocks == 1:
        return codewords + check_codewords(codewords, checks)
    dealt = bytearray(data + blocks * checks)
    in_turn, start = short * blocks, 0
    for block in range(blocks):
        extra = block >= blocks - longer
        part = codewords[start : start + short + extra]
        start += short + extra
        dealt[block:in_turn:blocks] = part[:short]
        if extra:
            dealt[in_turn + block - blocks + longer] = part[short]
        dealt[data + block :: blocks] = check_codewords(part, checks)
    return bytes(dealt)
