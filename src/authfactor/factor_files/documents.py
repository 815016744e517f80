"""JSON documents of other programs, read with care: any value may be missing or of another type."""

from collections.abc import Iterator
from typing import Any

import msgspec

from authfactor.factor_files.entries import UnreadableFile, document_of

Object = dict[str, Any]


def decode(content: bytes) -> Any:  # noqa: ANN401 - any document
    """Return the value of a JSON document. Raises `UnreadableFile`."""
    try:
        return msgspec.json.decode(document_of(content).removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UnreadableFile("The file is no JSON document, or nests too deep.") from error


def at(value: object, *path: str) -> Any:  # noqa: ANN401 - any value
    """Return the value at the end of a path of names; None where one of them is missing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def objects(value: object, *path: str) -> Iterator[tuple[int, Object]]:
    """Yield the objects in the list at the end of a path, with their positions."""
    found = at(value, *path)
    if isinstance(found, list):
        for position, each in enumerate(found):
            if isinstance(each, dict):
                yield position, each


def placed(value: object, *path: str) -> Iterator[tuple[str, Object]]:
    """Like `objects`, with the place as a report has it: `entries[3]`."""
    name = ".".join(path)
    for position, each in objects(value, *path):
        yield f"{name}[{position}]", each


def embedded(text: object) -> Any:  # noqa: ANN401 - any document
    """Return the value of a JSON document in a string; None if it is none."""
    if not isinstance(text, str):
        return text if isinstance(text, dict) else None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
