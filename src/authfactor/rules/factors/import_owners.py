"""Whose the factors of a file are: which of its names is the user's, and a table from its names to users."""

import csv
from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

from authfactor import ids
from authfactor.factor_files.entries import FactorEntry, UnreadableFile, name_of
from authfactor.rules.factors.imports import Owner

Match = Literal["email", "external_id", "account"]
MATCHES: Final[tuple[str, ...]] = get_args(Match)
_COLUMNS: Final = 2


def key_of(entry: FactorEntry, match: Match) -> str | None:
    """Return the name in the file that stands for the user, or None if the entry has none."""
    if match == "email":
        names = (entry.email, entry.account, entry.external_id)
        return next((name for name in names if name is not None and "@" in name), None)
    return entry.external_id if match == "external_id" else entry.account


def owner_of(entry: FactorEntry, match: Match, table: Mapping[str, str] | None) -> Owner | None:
    """Return whose an entry is; None if it has no such name, or the table does not have it."""
    key = key_of(entry, match)
    if key is not None and table is not None:
        key = table.get(key)
        return None if key is None else named(key)
    if key is None or match == "account":
        return None if key is None else named(key)
    return Owner(match, key)


def named(text: str) -> Owner:
    """Return whom a text names: an id of a user, an email, or the application's own id."""
    if text.startswith(ids.USER):
        return Owner("id", text)
    return Owner("email" if "@" in text else "external_id", text)


def read_table(lines: Iterable[str]) -> dict[str, str]:
    """Return the users of a CSV file with two columns: a name in the file of factors, and a user.

    Raises `UnreadableFile`.
    """
    table: dict[str, str] = {}
    try:
        for number, row in enumerate(csv.reader(lines, strict=True), 1):
            cells = [name_of(cell) for cell in row]
            if not row:
                continue
            if len(cells) != _COLUMNS or cells[0] is None or cells[1] is None:
                raise UnreadableFile(f"Line {number} of the table has no two columns: a name, and a user.")
            if table.setdefault(cells[0], cells[1]) != cells[1]:
                raise UnreadableFile(f"Line {number} of the table gives a name another user than before.")
    except (csv.Error, UnicodeDecodeError) as error:
        raise UnreadableFile("The table is no CSV file in UTF-8.") from error
    return table
