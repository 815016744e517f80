"""What a check says."""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How bad it is: a warning wants a look, a problem wants to be mended."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at; `advice` says what to do, empty when all is well."""

    check: str
    level: Level
    text: str
    advice: str = ""


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, text)


def warning(check: str, text: str, advice: str) -> Finding:
    """Worth a look."""
    return Finding(check, Level.WARNING, text, advice)


def problem(check: str, text: str, advice: str) -> Finding:
    """To be mended."""
    return Finding(check, Level.PROBLEM, text, advice)
