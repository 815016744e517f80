"""Why a submitted code was not accepted, in the user's words, and its verdict for log and metrics."""

from authfactor import errors
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.telemetry.shared_counters import RECOVERED, RIGHT
from authfactor.models import Verification
from authfactor.rules.authentication.code_refusals import CODE_REFUSALS


def locked(request: PageRequest, error: errors.TooManyAttempts) -> str:
    """Return a sentence on why no code is accepted now: for how long, or what to do."""
    if error.locked_until is not None:
        return request.texts(
            "code.locked", wait=request.texts.duration(error.locked_until - request.af.clock())
        )
    return request.texts("code.stopped" if error.hard_stop else "code.used_up")


def rejected(request: PageRequest, verification: Verification, *, counts_down: bool) -> str:
    """Return a sentence on why a code was rejected and what to do.

    `counts_down`: whether the attempts of this challenge are all that the page accepts.
    """
    texts, left, reason = request.texts, verification.attempts_remaining, verification.reason or ""
    if verification.locked_until is not None:
        return texts("code.locked", wait=texts.duration(verification.locked_until - request.af.clock()))
    if counts_down and left == 0:
        return texts("code.used_up")
    if reason.startswith("webauthn_"):
        return refused_passkey(request, reason)
    text = texts(f"code.{reason}")
    if counts_down and left and verification.reason != "code_malformed":
        text = f"{text} {texts('code.left', count=left)}"
    return text


def refused_passkey(request: PageRequest, reason: str) -> str:
    """Return a sentence on why a passkey was refused and what to do."""
    name = f"passkeys.refused.{reason.removeprefix('webauthn_')}"
    return request.texts(name if name in request.texts else "passkeys.refused.other")


def error_code_of(verification: Verification) -> str:
    """Return the code that the API would answer to a rejected proof, for the log."""
    refusal = CODE_REFUSALS.get(verification.reason or "code_mismatch", CODE_REFUSALS["code_mismatch"])
    return refusal[0]


def verdict_of(verification: Verification | None) -> str | None:
    """Return the verdict of an accepted code; None when there was nothing to verify."""
    if verification is None:
        return None
    return RIGHT if verification.recovery_codes_remaining is None else RECOVERED
