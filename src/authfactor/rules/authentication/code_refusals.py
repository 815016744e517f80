"""What a sign-in answers to a code that was not valid."""

from typing import Final

from authfactor import errors
from authfactor.models import CodeReason

CODE_REFUSALS: Final[dict[CodeReason, tuple[str, str]]] = {
    "code_mismatch": ("invalid_one_time_code", "The code is not valid."),
    "code_malformed": (
        "invalid_one_time_code",
        "This is neither six digits nor a recovery code, and was not counted.",
    ),
    "clock_drift": ("invalid_one_time_code", "The code is old. Check the clock of the phone."),
    "code_already_used": (
        "one_time_code_previously_used",
        "The code was used before. Wait for the next one.",
    ),
}


def code_refusal(reason: CodeReason) -> errors.SignInRefused:
    """Return the error of a code that was not valid for this reason."""
    return errors.SignInRefused(*CODE_REFUSALS[reason], reason=reason)
