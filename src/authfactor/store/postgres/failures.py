"""Classify PostgreSQL errors: conflicts, lost connections, and failures to report to the operator."""

from typing import Final

import asyncpg

from authfactor import errors

# serialization_failure, deadlock_detected
_CONFLICTS: Final = frozenset({"40001", "40P01"})

# Disconnected by the server, or connected to one that is now read-only (25006): reconnect to the primary.
_LOST: Final = frozenset({"25006", "25P03", "57P01", "57P02", "57P03", "57P05"})

# Errors of the server, of the driver (InternalClientError: it lost protocol synchronization), of the network.
ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

# By SQLSTATE, or by its class, the first two characters.
_REASONS: Final = {
    "08": "The database does not respond. Nothing was changed.",
    "25006": "The database only accepts reads now. Nothing was changed.",
    "28": "The database rejected these credentials.",
    "3D": "The database does not exist. Create it, then run: authfactor migrate",
    "42501": "The database user may not do this. Grant it the rights on the schema.",
    "42703": "The database's schema is not the one this release needs. Run: authfactor migrate",
    "42P01": "The database's schema is not the one this release needs. Run: authfactor migrate",
    "53": "The database is out of disk space, memory or connections. Nothing was changed.",
    "55": "The database is busy. Try again in a moment.",
    "57": "The database is starting or stopping, or canceled the statement. Nothing was changed.",
    "58": "The database reported a system error. Nothing was changed.",
}


def is_refused(error: Exception) -> bool:
    """Whether the server definitely rejected a commit (a conflict, a deferred constraint)."""
    state = str(getattr(error, "sqlstate", None) or "")
    return state[:2] in {"23", "40"} and state != "40003"


def is_conflict(error: Exception) -> bool:
    """Whether a retry may succeed: a conflict, or a cached plan invalidated by a migration."""
    stale = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
    return isinstance(error, stale) or getattr(error, "sqlstate", None) in _CONFLICTS


def is_unique_violation(error: Exception) -> bool:
    """Whether a unique value was taken between a unit's read and its write; a retry will read it."""
    return isinstance(error, asyncpg.UniqueViolationError)


def is_connection_loss(error: Exception, *, closed: bool) -> bool:
    """Whether the connection failed; `closed` is whether it is closed now."""
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
    """Return an error that says what to do about it; None for a bug, which is raised unchanged."""
    if isinstance(error, asyncpg.CharacterNotInRepertoireError):
        return errors.InvalidRequest(message="Text must not contain the character U+0000.")
    state = str(getattr(error, "sqlstate", None) or "")
    reason = _REASONS.get(state) or _REASONS.get(state[:2])
    if reason is None and isinstance(error, OSError | asyncpg.InternalClientError):
        reason = _REASONS["08"]
    return None if reason is None else errors.Unavailable(reason)
