"""What a sign-in answers to a code that was not valid."""

from typing import Final

from authfactor import errors
from authfactor.models import CodeReason, Verification

CODE_REFUSALS: Final[dict[CodeReason, tuple[str, str]]] = {
    "code_mismatch": ("invalid_one_time_code", "The code is not valid."),
    "code_malformed": (
        "invalid_one_time_code",
        "This is neither six digits nor a recovery code, and was not counted.",
    ),
    "method_not_allowed": (
        "invalid_one_time_code",
        "The policy does not accept this kind of code. It was neither counted nor used up.",
    ),
    "clock_drift": ("invalid_one_time_code", "The code is old. Check the clock of the phone."),
    "code_already_used": (
        "one_time_code_previously_used",
        "The code was used before. Wait for the next one.",
    ),
}


# Operators have no recovery codes.
OPERATOR_CODE_MALFORMED: Final = "A code is six digits. This attempt was not counted."


def operator_code_refusal() -> errors.SignInRefused:
    """Return the error of an operator's code that cannot be one."""
    return errors.SignInRefused("invalid_one_time_code", OPERATOR_CODE_MALFORMED, reason="code_malformed")


def assertion_refusal(reason: CodeReason, message: str) -> errors.SignInRefused:
    """Return the error of an operator's assertion that cannot be one, or that was asked for too long ago."""
    return errors.SignInRefused("invalid_one_time_code", message, reason=reason)


def passkey_refusal(reason: CodeReason) -> errors.SignInRefused:
    """Return the error of an assertion that was not valid."""
    text = f"The passkey was not accepted: {reason}."
    return errors.SignInRefused("invalid_one_time_code", text, reason=reason)


def code_refusal(outcome: Verification) -> errors.SignInRefused:
    """Return the error of a code that was not valid."""
    reason = outcome.reason or "code_mismatch"
    if reason not in CODE_REFUSALS:
        return passkey_refusal(reason)
    refusal = errors.SignInRefused(*CODE_REFUSALS[reason], reason=reason)
    refusal.offset_seconds = outcome.offset_seconds
    return refusal


def bad_pending(token: str) -> errors.SignInRefused:
    """Return the error of a pending token that is unknown, spent, expired, or of an older password."""
    text = f"The pending_authentication_token '{token}' has expired or is invalid."
    return errors.SignInRefused("invalid_pending_authentication_token", text)
