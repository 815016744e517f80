"""What a sign-in answers to a mailed code that it did not accept."""

from typing import Final

from authfactor import errors
from authfactor.models import CodeReason
from authfactor.rules.email_flows.mailed_codes import CodeRefusal

# The same for a wrong code and for none to compare it with, so that it does not tell who has one.
_MISMATCH: Final[tuple[str, str, CodeReason]] = (
    "invalid_one_time_code",
    "The code is not valid.",
    "code_mismatch",
)
_REFUSALS: Final[dict[CodeRefusal, tuple[str, str, CodeReason | None]]] = {
    "malformed": ("invalid_one_time_code", "A code is six digits. This was not counted.", "code_malformed"),
    "none": _MISMATCH,
    "mismatch": _MISMATCH,
    "expired": ("one_time_code_expired", "The code has expired. Ask for a new one.", None),
    "used": (
        "one_time_code_previously_used",
        "The code was used before. Ask for a new one.",
        "code_already_used",
    ),
    "locked": (
        "one_time_code_too_many_attempts",
        "Too many wrong codes. Wait, then ask again.",
        None,
    ),
}


def sign_in_refusal(refusal: CodeRefusal) -> errors.SignInRefused:
    """Return the error of a mailed code that was refused."""
    code, message, reason = _REFUSALS[refusal]
    return errors.SignInRefused(code, message, reason=reason)
