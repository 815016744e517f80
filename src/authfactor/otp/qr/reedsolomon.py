"""Reed-Solomon check codewords over GF(256), with a block's remainder as one Python integer.

The remainder of a block is linear in its codewords, so it is the XOR of one precomputed integer per codeword:
the remainder of that codeword alone at that position. The tables serve every block with the same number of
check codewords, in any version (ISO/IEC 18004, annex A).
"""

from functools import cache, reduce
from operator import getitem, xor
from typing import Final

from authfactor.otp.qr.versions import MAX_BLOCK

# x^8 + x^4 + x^3 + x^2 + 1, the field's modulus (7.5.2).
_MODULUS: Final = 0x11D


def multiply(left: int, right: int) -> int:
    """Return the product of two elements of the field."""
    product = 0
    while right:
        if right & 1:
            product ^= left
        left <<= 1
        if left > 0xFF:  # noqa: PLR2004 - an element is a byte
            left ^= _MODULUS
        right >>= 1
    return product


def generator(checks: int) -> list[int]:
    """Return the coefficients of (x - 1)(x - a)...(x - a^(checks - 1)) for a = 2, highest power first."""
    polynomial, root = [1], 1
    for _ in range(checks):
        scaled = [multiply(coefficient, root) for coefficient in polynomial]
        polynomial = [a ^ b for a, b in zip([*polynomial, 0], [0, *scaled], strict=True)]
        root = multiply(root, 2)
    return polynomial


@cache
def _remainders(checks: int) -> tuple[tuple[int, ...], ...]:
    """Return, for each position of the longest block, the remainder of each of the 256 byte values there."""
    tail = generator(checks)[1:]
    last = tuple(int.from_bytes(bytes(multiply(byte, term) for term in tail)) for byte in range(256))
    below_top = (1 << 8 * (checks - 1)) - 1
    places = [last]
    for _ in range(MAX_BLOCK - 1):
        # One position earlier is one more factor of x: shift, and reduce the byte shifted out at the top.
        places.append(
            tuple((left & below_top) << 8 ^ last[left >> 8 * (checks - 1)] for left in places[-1]),
        )
    return tuple(reversed(places))


@cache
def _last_places(checks: int, length: int) -> tuple[tuple[int, ...], ...]:
    return _remainders(checks)[MAX_BLOCK - length :]


def check_codewords(block: bytes, checks: int) -> bytes:
    """Return the `checks` codewords that follow a block of data codewords."""
    left = reduce(xor, map(getitem, _last_places(checks, len(block)), block))
    return left.to_bytes(checks)
