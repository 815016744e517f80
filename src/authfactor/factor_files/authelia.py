"""Exports of Authelia: the one form of YAML that it writes, and nothing more of YAML.

References, tags and flow collections are refused, so a small file cannot grow into a large document.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from authfactor.factor_files.entries import (
    FactorEntry,
    Read,
    UnreadableFile,
    UnusableEntryError,
    document_of,
    each,
    name_of,
    profile_of,
    secret_of,
)

_KEY: Final = re.compile(r"^(?P<indent> *)(?P<dash>- +)?(?P<name>[A-Za-z_]\w*):(?: +(?P<value>.*))?$")
_OPENING: Final = ("&", "*", "!", "|", ">", "{", "[", "@", "`", "%")
LIST: Final = "totp_configurations"


def read(content: bytes) -> Iterator[Read]:
    """Read an export of TOTP configurations. Raises `UnreadableFile`."""
    try:
        text = document_of(content).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile("The file is not UTF-8.") from error
    return each(_configurations(text), _entry)


def _configurations(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the mappings of the list, with their places."""
    inside, at = False, ""
    found: dict[str, str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#") or line in {"---", "..."}:
            continue
        match = _KEY.match(line)
        if match is None:
            raise UnreadableFile(f"line {number}: this is not what Authelia exports.")
        if not match["indent"] and match["dash"] is None:
            inside = match["name"] == LIST and not match["value"]
            continue
        if not inside:
            continue
        if match["dash"] is not None:
            if found is not None:
                yield at, found
            at, found = f"line {number}", {}
        if found is None:
            raise UnreadableFile(f"line {number}: this is not what Authelia exports.")
        found[match["name"]] = _scalar(match["value"] or "", number)
    if found is not None:
        yield at, found


def _scalar(text: str, number: int) -> str:
    value = text.strip()
    if value.startswith(_OPENING):
        raise UnreadableFile(f"line {number}: this part of YAML is not read.")
    for quote in ("'", '"'):
        if value.startswith(quote):
            end = value.find(quote, 1)
            return value[1:end] if end > 0 else value[1:]
    return value.split(" #", 1)[0].strip()


def _entry(at: str, given: dict[str, str]) -> FactorEntry:
    profile = profile_of(given.get("algorithm"), given.get("digits"), given.get("period"))
    try:
        # The base64 of a base32 text.
        text = base64.b64decode(given.get("secret", ""), validate=True).decode("ascii")
    except (ValueError, binascii.Error):
        raise UnusableEntryError("secret_invalid", "not base64 of base32") from None
    user = name_of(given.get("username"))
    return FactorEntry(at, secret_of(text), profile, name_of(given.get("issuer")), user, external_id=user)
