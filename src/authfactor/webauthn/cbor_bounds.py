"""Where a CBOR item ends, and that it is small, shallow and definite, before `fido2` decodes it.

The decoder of `fido2` recurses without a limit, copies the rest of its input for each item, takes a string
that is cut off as a shorter one, and reads null and floats as false. This scan refuses all of these in linear
time. CTAP2 allows four levels (section 8); an attestation object adds one around them.
"""

from typing import Final

MAX_DEPTH: Final = 5
MAX_ITEMS: Final = 256

_UNSIGNED: Final = range(2)
_STRINGS: Final = range(2, 4)
_ARRAY: Final = 4
_MAP: Final = 5
_SIMPLE: Final = 7
_BOOLEANS: Final = range(20, 22)
_DIRECT: Final = 24
_FOLLOWING: Final = {24: 1, 25: 2, 26: 4, 27: 8}


class InvalidCbor(ValueError):
    """The bytes are not CBOR as CTAP2 uses it, or nest too deep, or have too many items."""


def end_of_item(data: bytes, start: int = 0) -> int:
    """Return the offset behind the item that begins at `start`. Raises `InvalidCbor`."""
    due = [1]  # items that are still to come, for each open level
    at, items = start, 0
    while due:
        if not due[-1]:
            due.pop()
            continue
        due[-1] -= 1
        items += 1
        kind, value, at = _head(data, at)
        if kind in _STRINGS:
            at += value
        elif kind in {_ARRAY, _MAP}:
            due.append(value * (kind - _ARRAY + 1))
        if items > MAX_ITEMS or len(due) > MAX_DEPTH + 1:
            raise InvalidCbor("too many items or levels")
    if at > len(data):
        raise InvalidCbor("the last string is cut off")
    return at


def is_map_of(data: bytes, entries: int, start: int = 0) -> bool:
    """Tell whether a map of this number of entries, which is at most 23, begins at `start`."""
    return entries < _DIRECT and data[start : start + 1] == bytes([_MAP << 5 | entries])


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Return type, value and the offset behind the first bytes of an item."""
    if at >= len(data):
        raise InvalidCbor("an item is missing")
    kind, value = data[at] >> 5, data[at] & 31
    at += 1
    if kind == _SIMPLE:
        if value not in _BOOLEANS:
            raise InvalidCbor("null, floats and other simple values are not used")
    elif kind > _MAP:
        raise InvalidCbor("tags are not used")
    elif value >= _DIRECT:
        width = _FOLLOWING.get(value)
        if width is None:
            raise InvalidCbor("lengths must be definite")
        value, at = int.from_bytes(data[at : at + width], "big"), at + width
    return kind, value, at
