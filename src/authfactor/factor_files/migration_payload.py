"""`otpauth-migration://` URIs, which an app shows as QR codes: base64 of a protobuf message."""

import base64
import binascii
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from authfactor.factor_files.entries import (
    FactorEntry,
    Read,
    Refused,
    UnreadableFile,
    UnusableEntryError,
    each,
    long_enough,
    name_of,
    profile_of,
    split_label,
)

SCHEME: Final = "otpauth-migration://"
MAX_ENTRIES: Final = 1000
_ALGORITHMS: Final = {0: "SHA1", 1: "SHA1", 2: "SHA256", 3: "SHA512", 4: "MD5"}
_DIGITS: Final = {0: 6, 1: 6, 2: 8}
_TYPES: Final = {0: "totp", 1: "hotp", 2: "totp"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_Fields = list[tuple[int, int | bytes]]


class Payload(NamedTuple):
    """One QR code of a batch: its entries, and which of how many codes it is."""

    entries: list[Read]
    batch_id: int
    batch_index: int
    batch_size: int


def read(at: str, uri: str) -> Payload:
    """Return the content of a URI. Raises `UnreadableFile`."""
    try:
        data = parse_qs(urlsplit(uri.strip()).query, max_num_fields=8).get("data", [""])[0]
        # `+` becomes a space where it was not escaped; some tools use the URL-safe alphabet, or no padding.
        text = data.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
        content = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        fields = _fields(content)
    except (ValueError, binascii.Error, IndexError) as error:
        raise UnreadableFile(f"{at}: this is no complete migration URI.") from error
    parts = [value for number, value in fields if number == 1 and isinstance(value, bytes)]
    if len(parts) > MAX_ENTRIES:
        raise UnreadableFile(f"{at}: more than {MAX_ENTRIES} entries in one URI.")
    places = [(f"{at}, entry {number}", part) for number, part in enumerate(parts, 1)]
    numbers = {number: value for number, value in fields if isinstance(value, int)}
    return Payload(
        list(each(places, _entry)), numbers.get(5, 0), numbers.get(4, 0), max(numbers.get(3, 1), 1)
    )


def missing(payloads: list[Payload]) -> Iterator[Refused]:
    """Yield a refusal for each batch of which not all codes are there."""
    batches: dict[tuple[int, int], set[int]] = {}
    for each_payload in payloads:
        key = each_payload.batch_id, each_payload.batch_size
        batches.setdefault(key, set()).add(each_payload.batch_index)
    for (_, size), found in batches.items():
        if len(found) < size:
            detail = f"{len(found)} of {min(size, MAX_ENTRIES)} codes are in the file"
            yield Refused("batch", "batch_incomplete", detail)


def _entry(at: str, part: bytes) -> FactorEntry:
    try:
        fields = dict(_fields(part))
    except (ValueError, IndexError):
        raise UnusableEntryError("entry_damaged") from None
    secret, name, issuer = fields.get(1, b""), fields.get(2, b""), fields.get(3, b"")
    if not isinstance(secret, bytes) or not isinstance(name, bytes) or not isinstance(issuer, bytes):
        raise UnusableEntryError("entry_damaged")
    kind = _TYPES.get(_int(fields.get(6)), "unknown")
    algorithm = _ALGORITHMS.get(_int(fields.get(4)), "unknown")
    profile = profile_of(algorithm, _DIGITS.get(_int(fields.get(5)), "unknown"), kind=kind)
    label_issuer, account = split_label(name.decode("utf-8", "replace"))
    found = name_of(issuer.decode("utf-8", "replace")) or label_issuer
    return FactorEntry(at, long_enough(secret), profile, found, account)


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0 if value is None else -1


def _fields(content: bytes) -> _Fields:
    """Return the fields of a message in order. Raises `ValueError` and `IndexError`."""
    found: _Fields = []
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        kind = key & 7
        if kind == _VARINT:
            number, at = _varint(content, at)
            found.append((key >> 3, number))
            continue
        size = 8 if kind == _FIXED64 else 4
        if kind == _BYTES:
            size, at = _varint(content, at)
        elif kind not in (_FIXED64, _FIXED32):
            raise ValueError("a wire type that protobuf no longer has")
        if at + size > len(content):
            raise ValueError("cut off")
        found.append((key >> 3, content[at : at + size]))
        at += size
    return found


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:  # noqa: PLR2004 - the highest bit says that there are more
            return value, at
        shift += 7
        if shift > 63:  # noqa: PLR2004 - of 64 bits
            raise ValueError("a number of more than 64 bits")
