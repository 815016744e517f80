"""Text for a terminal: stored values cannot move its cursor, hide text, or look like further lines."""

import sys
from typing import TextIO


def printable(text: str) -> str:
    r"""Escape what is not printable, including line breaks and direction overrides, as in `\x1b`."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def printable_json(text: str) -> str:
    r"""Escape the same characters in JSON, as `\u009b`, except line breaks; the value stays the same."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else _escaped_in_json(each) for each in text)


def show(text: str, file: TextIO | None = None) -> None:
    """Print text with `printable` lines."""
    print("\n".join(printable(line) for line in text.split("\n")), file=file or sys.stdout)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _escaped_in_json(character: str) -> str:
    # JSON escapes are of UTF-16: two for a character beyond U+FFFF.
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
