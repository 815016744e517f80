"""PSKC, the key files of hardware tokens (RFC 6030): plain, with a pre-shared key, or with a passphrase.

A DOCTYPE is refused before anything else, so no entity is ever expanded, and what nests or grows too far is
refused while it is parsed.
"""

from collections.abc import Iterator
from functools import partial
from typing import Final
from xml.parsers import expat

from authfactor.factor_files import pskc_encryption
from authfactor.factor_files.entries import (
    FactorEntry,
    Read,
    UnreadableFile,
    UnusableEntryError,
    document_of,
    drift_of,
    each,
    long_enough,
    name_of,
    profile_of,
    shown,
)
from authfactor.factor_files.xml_element import XmlElement

_MAX_DEPTH: Final = 32
_MAX_ELEMENTS: Final = 2_000_000
_TOTP: Final = "totp"
_MAX_DIGITS: Final = 6


def read(content: bytes, passphrase: str | None) -> Iterator[Read]:
    """Read a key container. Raises `UnreadableFile` and `PassphraseNeeded`."""
    container = _parse(document_of(content))
    if container.name != "KeyContainer":
        raise UnreadableFile("The file is no PSKC key container.")
    opener = pskc_encryption.Opener(container, passphrase)
    packages = enumerate(container.all("KeyPackage"), 1)
    places = ((f"KeyPackage {number}", package) for number, package in packages)
    return each(places, partial(_entry, opener=opener))


def _entry(at: str, package: XmlElement, *, opener: pskc_encryption.Opener) -> FactorEntry:
    key = package.first("Key")
    if key is None:
        raise UnusableEntryError("entry_damaged", "no Key")
    kind = key.attributes.get("Algorithm", "").rpartition(":")[2].rpartition("#")[2]
    parameters = key.first("AlgorithmParameters")
    suite = text_of(parameters, "Suite")
    form = None if parameters is None else parameters.first("ResponseFormat")
    digits = None if form is None else form.attributes.get("Length")
    if form is not None and form.attributes.get("Encoding", "DECIMAL").upper() != "DECIMAL":
        raise UnusableEntryError("profile_not_supported", f"encoding={shown(form.attributes['Encoding'])}")
    data = key.first("Data")
    secret = None if data is None else data.first("Secret")
    if data is None or secret is None:
        raise UnusableEntryError("secret_missing")
    period = _plain(data, "TimeInterval")
    profile = profile_of(suite.removeprefix("HMAC-") if suite else None, digits, period, kind=kind or _TOTP)
    serial = text_of(package.first("DeviceInfo"), "SerialNo")
    user = text_of(key, "UserId") or text_of(package.first("DeviceInfo"), "UserId")
    return FactorEntry(
        at,
        long_enough(opener.open(secret)),
        profile,
        name_of(text_of(key, "Issuer")),
        name_of(text_of(key, "FriendlyName")) or name_of(serial) or name_of(key.attributes.get("Id")),
        external_id=name_of(user),
        drift=_steps(_plain(data, "TimeDrift")),
    )


def _steps(text: str | None) -> int:
    digits = (text or "").removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > _MAX_DIGITS:
        return 0
    return drift_of(int(text or "0"))


def text_of(element: XmlElement | None, name: str) -> str | None:
    """Return the text of the first child of this name, or None."""
    found = None if element is None else element.first(name)
    return None if found is None else found.text.strip()


def _plain(data: XmlElement, name: str) -> str | None:
    return text_of(data.first(name), "PlainValue")


class _Tree:
    """Builds the elements of a document."""

    def __init__(self) -> None:
        self.open = [XmlElement("", {})]
        self.count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if len(self.open) > _MAX_DEPTH or self.count > _MAX_ELEMENTS:
            raise UnreadableFile("The XML document nests too deep or has too many elements.")
        # Namespaces differ between drafts and products, local names do not.
        local = {key.rpartition("}")[2]: value for key, value in attributes.items()}
        element = XmlElement(name.rpartition("}")[2], local)
        self.open[-1].children.append(element)
        self.open.append(element)

    def end(self, _: str) -> None:
        self.open.pop()

    def characters(self, text: str) -> None:
        self.open[-1].parts.append(text)

    def refuse_doctype(self, *_: object) -> None:
        raise UnreadableFile("The XML document has a DOCTYPE, which is refused.")


def _parse(content: bytes) -> XmlElement:
    tree = _Tree()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.characters
    parser.StartDoctypeDeclHandler = tree.refuse_doctype
    parser.EntityDeclHandler = tree.refuse_doctype
    try:
        parser.Parse(content, True)  # noqa: FBT003 - all of it
    except (expat.ExpatError, ValueError) as error:
        raise UnreadableFile("The file is no XML document.") from error
    return tree.open[0].children[0]
