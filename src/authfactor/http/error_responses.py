"""The only mapping from errors to HTTP statuses, and error bodies (contract section 1.4)."""

from typing import Final

import msgspec
from msgspec import UNSET

from authfactor import email_errors, errors
from authfactor.http.response import Response
from authfactor.http.telemetry.shared_counters import LOCKED, VERDICT_BY_REASON, WRONG
from authfactor.wire import responses, timestamps

# The route whose 429 has the shape of an OAuth error (contract section 1.4).
AUTHENTICATE: Final = "POST /user_management/authenticate"
# Where a send limit has the code and status that WorkOS SDKs know.
WORKOS_PATH: Final = " /user_management/"
QUOTA: Final = "daily_quota_exceeded"
STATUSES: Final[dict[type[errors.AuthfactorError], int]] = {
    errors.AuthfactorError: 500,
    errors.InvalidRequest: 422,
    errors.MalformedBody: 400,
    errors.BodyTooLarge: 413,
    errors.UserCreationFailed: 400,
    errors.PasswordTooWeak: 400,
    errors.InvalidUserField: 400,
    errors.IdempotencyKeyReused: 422,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.ProofNeeded: 403,
    errors.NotFound: 404,
    errors.RouteNotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.NotSupported: 501,
    errors.ChallengeExpired: 422,
    errors.ChallengeAlreadyVerified: 422,
    errors.TooManyAttempts: 400,
    errors.SignInRefused: 400,
    errors.OAuthRefused: 400,
    errors.StepUpRequired: 403,
    email_errors.EmailVerificationRequired: 403,
    email_errors.SignInMethodOff: 403,
    email_errors.MailedCodeRefused: 400,
    email_errors.InvitationRefused: 400,
    email_errors.ResetTokenUnknown: 404,
    email_errors.EmailChangeAttemptsUsed: 429,
    email_errors.NewPasswordRefused: 400,
    errors.LinkUnknown: 404,
    errors.LinkUsed: 410,
    errors.LinkExpired: 410,
    errors.LinkRefused: 410,
    errors.Conflict: 409,
    errors.Outdated: 409,
    errors.SessionEnded: 409,
    errors.TooManyRequests: 429,
    errors.SendLimitReached: 422,
    errors.Unavailable: 503,
}


def status_of(error: errors.AuthfactorError) -> int:
    """Return the status of the error's class or of its nearest base in `STATUSES`."""
    for base in type(error).__mro__:
        if base in STATUSES:
            return STATUSES[base]
    return 500


def body_of(error: errors.AuthfactorError) -> responses.ErrorBody:
    """Build the body: `message` always, `code` except on 401, which the contract fixes."""
    entity_id = error.entity_id if isinstance(error, errors.NotFound) else UNSET
    items = error.items if isinstance(error, errors.InvalidRequest) else ()
    if isinstance(error, errors.StepUpRequired):
        return _step_up(error)
    if isinstance(error, email_errors.EmailVerificationRequired):
        return responses.ErrorBody(
            message=error.message,
            code=error.code,
            email=error.email,
            email_verification_id=error.email_verification_id,
            pending_authentication_token=error.pending_token,
        )
    refused = error if isinstance(error, errors.SignInRefused) else None
    until = error.locked_until if isinstance(error, errors.TooManyAttempts) else None
    retry_at = error.retry_at if isinstance(error, errors.SendLimitReached) else None
    return responses.ErrorBody(
        message=error.message,
        code=UNSET if isinstance(error, errors.Unauthorized) else error.code,
        reason=(refused and refused.reason) or UNSET,
        offset_seconds=(refused and refused.offset_seconds) or UNSET,
        entity_id=entity_id,
        errors=[responses.ErrorItemObject(item.field, item.code, item.message) for item in items] or UNSET,
        locked_until=UNSET if until is None else timestamps.format_ms(until),
        retry_at=UNSET if retry_at is None else timestamps.format_ms(retry_at),
    )


def _step_up(error: errors.StepUpRequired) -> responses.ErrorBody:
    """Build the body of a step-up error. The Go SDK raises its typed error only if `user` is present."""
    references = [responses.FactorReference(*factor) for factor in error.factors]
    return responses.ErrorBody(
        message=error.message,
        code=error.code,
        pending_authentication_token=error.pending_token,
        authentication_factors=references or UNSET,
        authentication_challenge=responses.challenge(error.challenge) if error.challenge else UNSET,
        user=responses.user(error.user),
        methods=list(error.methods) or UNSET,
        authkit_redirect_url=error.sign_in_url or UNSET,
    )


def render(error: errors.AuthfactorError, route: str = "") -> Response:
    """Build the response for an error on a route; an OAuth error has the body of RFC 6749 section 5.2."""
    if isinstance(error, errors.OAuthRefused):
        body = responses.encode(responses.OAuthErrorBody(error.code, error.message))
    elif isinstance(error, errors.TooManyRequests) and route == AUTHENTICATE:
        body = responses.encode(responses.OAuthErrorBody("too_many_requests", error.message))
    elif isinstance(error, errors.SendLimitReached) and WORKOS_PATH in route:
        body = responses.encode(msgspec.structs.replace(body_of(error), code=QUOTA))
        return Response(429, body, code=QUOTA)
    else:
        body = responses.encode(body_of(error))
    return Response(status_of(error), body, code=error.code, verdict=verdict_of(error))


def verdict_of(error: errors.AuthfactorError) -> str | None:
    """Return the metrics verdict on the code that was checked; None if none was."""
    if isinstance(error, errors.TooManyAttempts):
        return LOCKED
    reason = error.reason if isinstance(error, errors.SignInRefused) else None
    return None if reason is None else VERDICT_BY_REASON.get(reason, WRONG)


def headers(error: errors.AuthfactorError) -> list[tuple[bytes, bytes]]:
    """Return the headers specific to an error: Retry-After, Allow or WWW-Authenticate."""
    if isinstance(error, errors.Unavailable | errors.TooManyRequests):
        return [(b"retry-after", str(error.retry_after).encode())]
    if isinstance(error, errors.MethodNotAllowed):
        return [(b"allow", ", ".join(error.allowed).encode())]
    if isinstance(error, errors.Unauthorized):
        return [(b"www-authenticate", b"Bearer")]
    return []
