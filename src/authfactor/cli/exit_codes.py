"""Exit codes of the command line, by kind of error. They are stable: scripts can rely on them.

0 success · 1 unexpected error · 2 invalid usage or input · 3 not allowed · 4 not found
5 rejected (wrong code, conflict) · 6 locked · 7 temporarily unavailable
8 configuration, keys or schema, or no installation where the command looked for one
"""

from typing import Final

from authfactor import core, email_errors, errors, settings
from authfactor.crypto import keyring, vault
from authfactor.store import opening

UNEXPECTED: Final = 1
REFUSED: Final = 5
MISCONFIGURED: Final = 8
CODES: Final[dict[type[Exception], int]] = {
    errors.AuthfactorError: UNEXPECTED,
    errors.InvalidRequest: 2,
    errors.Unauthorized: 3,
    errors.Forbidden: 3,
    errors.NotFound: 4,
    errors.ChallengeRefused: REFUSED,
    errors.SignInRefused: REFUSED,
    errors.LinkRefused: REFUSED,
    errors.Conflict: REFUSED,
    email_errors.MailedCodeRefused: REFUSED,
    email_errors.InvitationRefused: REFUSED,
    email_errors.ResetTokenUnknown: 4,
    email_errors.EmailChangeAttemptsUsed: 6,
    errors.TooManyAttempts: 6,
    errors.TooManyRequests: 7,
    errors.SendLimitReached: 7,
    errors.Unavailable: 7,
    core.ClockNotSet: 8,
    opening.WrongSchema: 8,
    opening.NoInstallation: 8,
    settings.InvalidSetting: 8,
    keyring.KeyRingUnusable: 8,
    vault.UnsealError: 8,
}


def code_of(error: Exception) -> int:
    """Return the exit code of the error's class, or else of its nearest base class with one."""
    return next((CODES[base] for base in type(error).__mro__ if base in CODES), UNEXPECTED)
