"""What a check says."""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How bad it is: a warning wants a look, a problem wants to be mended."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class DoctorFinding(msgspec.Struct, frozen=True):
    """One thing that was looked at; `advice` says what to do, empty when all is well."""

    check: str
    level: Level
    text: str
    advice: str = ""


def ok(check: str, text: str) -> DoctorFinding:
    """All is well."""
    return DoctorFinding(check, Level.OK, text)


def warning(check: str, text: str, advice: str) -> DoctorFinding:
    """Worth a look."""
    return DoctorFinding(check, Level.WARNING, text, advice)


def problem(check: str, text: str, advice: str) -> DoctorFinding:
    """To be mended."""
    return DoctorFinding(check, Level.PROBLEM, text, advice)
