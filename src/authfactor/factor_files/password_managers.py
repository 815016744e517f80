"""Exports of password managers and desktop apps: Bitwarden, Proton."""

import csv
import io
from collections.abc import Iterator

from authfactor.factor_files import documents, lines, otpauth_uri
from authfactor.factor_files.entries import (
    FactorEntry,
    Read,
    UnreadableFile,
    document_of,
    each,
    name_of,
)


def bitwarden(document: documents.Object, _: str | None) -> Iterator[Read]:
    """Read a plain JSON export of Bitwarden; items without a TOTP field are no factors."""
    if document.get("encrypted") is True:
        raise UnreadableFile("Encrypted Bitwarden exports are not read. Export as .json, not encrypted.")
    return each(documents.placed(document, "items"), _bitwarden_entry)


def _bitwarden_entry(at: str, item: documents.Object) -> FactorEntry | None:
    account, issuer = name_of(documents.at(item, "login", "username")), name_of(item.get("name"))
    return otpauth_uri.read_any(at, documents.at(item, "login", "totp"), account, issuer)


def bitwarden_csv(content: bytes) -> Iterator[Read]:
    """Read a CSV export of Bitwarden, whose notes may have several lines."""
    try:
        text = document_of(content).decode("utf-8-sig")
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        columns = lines.columns_of(next(rows, []))
        places = ((f"row {number}", row) for number, row in enumerate(rows, 2))
        yield from each(places, lambda at, row: lines.row_of(at, row, columns))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile("The file is no CSV file in UTF-8.") from error


def proton(document: documents.Object, _: str | None) -> Iterator[Read]:
    """Read a plain export of Proton Authenticator."""
    return each(documents.placed(document, "entries"), _proton_entry)


def _proton_entry(at: str, entry: documents.Object) -> FactorEntry | None:
    account = name_of(documents.at(entry, "content", "name"))
    return otpauth_uri.read_any(at, documents.at(entry, "content", "uri"), account)
