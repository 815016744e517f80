"""What a failure of PostgreSQL means: a conflict, a lost connection, a refusal to name."""

from typing import Final

import asyncpg

from authfactor import errors

_CONFLICTS: Final = frozenset({"40001", "40P01"})


# Cut off by the server, or connected to one that may no longer write: a new connection finds a better one.
_LOST: Final = frozenset({"25006", "25P03", "57P01", "57P02", "57P03", "57P05"})


# What a connection can raise: the server's errors, the driver's own (the last: it lost track), the network's.
ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


# By SQLSTATE, or by its class: the first two characters.
_REASONS: Final = {
    "08": "The database does not answer. Nothing was changed.",
    "25006": "The database only takes reads now. Nothing was changed.",
    "28": "The database refuses these credentials.",
    "3D": "The database does not exist. Create it, then run: authfactor migrate",
    "42501": "The database user may not do this. Grant it the rights on the schema.",
    "42703": "The database's schema is not the one this release needs. Run: authfactor migrate",
    "42P01": "The database's schema is not the one this release needs. Run: authfactor migrate",
    "53": "The database has run out of room or connections. Nothing was changed.",
    "55": "The database is busy. Try again in a moment.",
    "57": "The database is stopping, starting or in a hurry. Nothing was changed.",
    "58": "The database reports an error of its system. Nothing was changed.",
}


def is_refused(error: Exception) -> bool:
    """Whether a commit was answered with a clear no (a conflict, a deferred check) and not with silence."""
    state = str(getattr(error, "sqlstate", None) or "")
    return state[:2] in {"23", "40"} and state != "40003"


def is_conflict(error: Exception) -> bool:
    """Whether the same unit may well succeed next time: a conflict, or a plan from before a migration."""
    stale = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
    return isinstance(error, stale) or getattr(error, "sqlstate", None) in _CONFLICTS


def is_unique_violation(error: Exception) -> bool:
    """Whether a unique value was taken between a unit's look and its write: the next look finds it."""
    return isinstance(error, asyncpg.UniqueViolationError)


def is_connection_loss(error: Exception, *, closed: bool) -> bool:
    """Whether the connection failed; `closed` says that it is closed now."""
    if isinstance(error, TimeoutError):
        return False
    state = str(getattr(error, "sqlstate", ""))
    return (
        isinstance(error, OSError | asyncpg.InternalClientError)
        or closed
        or state in _LOST
        or state.startswith("08")
    )


def to_authfactor_error(error: Exception) -> errors.AuthfactorError | None:
    """Say what a person can do about it; None for a fault of ours, which stays what it is."""
    if isinstance(error, asyncpg.CharacterNotInRepertoireError):
        return errors.InvalidRequest(message="Text must not contain the character U+0000.")
    state = str(getattr(error, "sqlstate", None) or "")
    reason = _REASONS.get(state) or _REASONS.get(state[:2])
    if reason is None and isinstance(error, OSError | asyncpg.InternalClientError):
        reason = "The database does not answer. Nothing was changed."
    return None if reason is None else errors.Unavailable(reason)
