"""The result of a check."""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """Severity: a problem must be fixed; a warning may need attention."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class DoctorFinding(msgspec.Struct, frozen=True):
    """The result of one check. `advice` says how to fix it; it is empty for `OK`."""

    check: str
    level: Level
    text: str
    advice: str = ""


def ok(check: str, text: str) -> DoctorFinding:
    """Make a finding of level `OK`."""
    return DoctorFinding(check, Level.OK, text)


def warning(check: str, text: str, advice: str) -> DoctorFinding:
    """Make a finding of level `WARNING`."""
    return DoctorFinding(check, Level.WARNING, text, advice)


def problem(check: str, text: str, advice: str) -> DoctorFinding:
    """Make a finding of level `PROBLEM`."""
    return DoctorFinding(check, Level.PROBLEM, text, advice)
