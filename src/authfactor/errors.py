"""The error hierarchy; each error has a stable code and fields with details.

    AuthfactorError
    ├── InvalidRequest            the request is malformed or invalid (with items)
    │   ├── MalformedBody  BodyTooLarge
    │   ├── UserCreationFailed  PasswordTooWeak  InvalidUserField
    │   └── IdempotencyKeyReused
    ├── Unauthorized              the API key is missing, unknown or revoked
    ├── Forbidden                 the caller is authenticated but not permitted
    │   └── ProofNeeded
    ├── NotFound                  this environment has no such object with this id
    ├── RouteNotFound  MethodNotAllowed
    ├── NotSupported              an operation of the WorkOS API that this server does not have
    ├── ChallengeRefused          the challenge can no longer be verified
    │   ├── ChallengeExpired  ChallengeAlreadyVerified
    │   └── TooManyAttempts
    ├── SignInRefused             the authenticate endpoint refuses the sign-in
    │   └── OAuthRefused  StepUpRequired
    ├── LinkRefused               a link to a hosted page cannot be followed
    │   └── LinkUnknown  LinkUsed  LinkExpired
    ├── Conflict                  the current state does not allow it
    │   └── SessionEnded  Outdated
    ├── TooManyRequests           the caller's rate limit is exceeded
    ├── SendLimitReached          no more messages to this address, this user, or of this environment for now
    └── Unavailable               a temporary failure; retry

Codes are part of the wire contract and never change. `http.error_responses` maps errors to HTTP statuses,
`cli.exit_codes` to exit codes. Messages are for humans; programs use the code and the fields.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

from authfactor.error_base import AuthfactorError as AuthfactorError  # noqa: PLC0414 - exported
from authfactor.error_base import Item as Item  # noqa: PLC0414 - exported

if TYPE_CHECKING:
    from authfactor.models import ChallengeRecord, RefusalReason, UserRecord


class InvalidRequest(AuthfactorError):
    """The request is invalid; each violated rule is an item."""

    code = "invalid_request_parameters"
    default_message: ClassVar[str] = "Validation failed"

    def __init__(self, *items: Item, message: str | None = None) -> None:
        """`message` defaults to the class's default."""
        super().__init__(message or self.default_message)
        self.items = items


class MalformedBody(InvalidRequest):
    """The body is not valid JSON, or not an object."""

    code = "invalid_json"


class BodyTooLarge(InvalidRequest):
    """The body exceeds the server's `max_body`."""

    code = "request_too_large"


class UserCreationFailed(InvalidRequest):
    """A user with this email or external id already exists."""

    code = "user_creation_error"
    default_message = "Could not create user."


class PasswordTooWeak(InvalidRequest):
    """The password is not strong enough; the items say why."""

    code = "password_strength_error"
    default_message = "Password does not meet strength requirements."


class InvalidUserField(InvalidRequest):
    """A field of a user is invalid; the code names the violated rule (the contract lists them)."""

    def __init__(self, code: str, message: str) -> None:
        """`code` is the contract's code for this rule."""
        super().__init__(message=message)
        self.code = code


class IdempotencyKeyReused(InvalidRequest):
    """The Idempotency-Key was used with a different body."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        """Use a fixed message."""
        text = "This Idempotency-Key was used with a different request body. Use a new key for a new request."
        super().__init__(message=text)


class Unauthorized(AuthfactorError):
    """The API key is missing, unknown or revoked."""

    code = "unauthorized"

    def __init__(self) -> None:
        """Use the message fixed by the contract."""
        super().__init__("Unauthorized")


class Forbidden(AuthfactorError):
    """The caller is authenticated but not permitted to do this."""

    code = "forbidden"


class ProofNeeded(Forbidden):
    """The user has to prove an existing factor first, within the session that the request names."""

    code = "reauthentication_required"


class NotFound(AuthfactorError):
    """This environment has no such object with this id; another environment's id is equally unknown."""

    code = "entity_not_found"

    def __init__(self, kind: str, entity_id: str) -> None:
        """`kind` is the object's type as shown to humans (`User`)."""
        super().__init__(f"{kind} not found: '{entity_id}'.")
        self.kind = kind
        self.entity_id = entity_id


class RouteNotFound(AuthfactorError):
    """No endpoint has this path."""

    code = "not_found"


class MethodNotAllowed(AuthfactorError):
    """The path exists but does not support the method."""

    code = "method_not_allowed"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        """`allowed` are the supported methods."""
        super().__init__(f"Method not allowed. Use {' or '.join(allowed)}.")
        self.allowed = allowed


class NotSupported(AuthfactorError):
    """The WorkOS API has this operation, but this server does not; the message links to the list."""

    code = "not_supported"

    def __init__(self, operation: str, link: str) -> None:
        """`operation` is a method and a path template, or the path of a whole product."""
        super().__init__(f"{operation} of the WorkOS API is not supported by this server. See {link}")
        self.operation = operation


class ChallengeRefused(AuthfactorError):
    """The challenge cannot be verified."""


class ChallengeExpired(ChallengeRefused):
    """The challenge has expired."""

    code = "authentication_challenge_expired"

    def __init__(self, challenge_id: str, expired_at: int) -> None:
        """`expired_at` is in milliseconds since the epoch."""
        super().__init__(f"The authentication challenge '{challenge_id}' has expired.")
        self.expired_at = expired_at


class ChallengeAlreadyVerified(ChallengeRefused):
    """The challenge has already been verified."""

    code = "authentication_challenge_previously_verified"

    def __init__(self, challenge_id: str) -> None:
        """Use the message fixed by the contract."""
        super().__init__(f"The authentication challenge '{challenge_id}' has already been verified.")


class TooManyAttempts(ChallengeRefused):
    """The challenge or its user has no attempts left."""

    code = "one_time_code_too_many_attempts"

    def __init__(self, *, locked_until: int | None, hard_stop: bool = False) -> None:
        """`locked_until` is in milliseconds since the epoch; None when waiting does not help."""
        if hard_stop:
            text = "Too many wrong codes in a row. An operator must unlock this user."
        elif locked_until is None:
            text = "Too many wrong codes for this challenge. Create a new challenge."
        else:
            text = "Too many wrong codes. Wait until the lock ends, then create a new challenge."
        super().__init__(text)
        self.locked_until = locked_until
        self.hard_stop = hard_stop


class SignInRefused(AuthfactorError):
    """The sign-in was refused; the code names the reason (contract: failures of authenticate)."""

    reason: "RefusalReason | None" = None
    """Why a one-time code was refused, as in `Verification.reason`; None for other refusals."""
    offset_seconds: int | None = None
    """As in `Verification.offset_seconds`."""

    def __init__(self, code: str, message: str, *, reason: "RefusalReason | None" = None) -> None:
        """`code` is one of the contract's codes."""
        super().__init__(message)
        self.code = code
        self.reason = reason


class OAuthRefused(SignInRefused):
    """The sign-in was refused in the shape of RFC 6749 section 5.2: `error` and `error_description`."""


class StepUpRequired(SignInRefused):
    """The password was correct, but a second factor is required; has what the next request needs."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        pending_token: str,
        user: "UserRecord",
        factors: tuple[tuple[str, str], ...] = (),
        challenge: "ChallengeRecord | None" = None,
        methods: tuple[str, ...] = (),
    ) -> None:
        """`mfa_challenge` or `mfa_enrollment`; ids and types of factors; the only `methods`, if not all."""
        super().__init__(code, message)
        self.pending_token, self.user = pending_token, user
        self.factors, self.methods, self.challenge = factors, methods, challenge
        self.sign_in_url: str | None = None


class LinkRefused(AuthfactorError):
    """A link to a hosted page cannot be followed."""


class LinkUnknown(LinkRefused):
    """No link has this URL, or this browser did not open it; the error does not say which."""

    code = "link_unknown"

    def __init__(self) -> None:
        """Use a fixed message."""
        super().__init__("This link is not known. Ask for a new one.")


class LinkUsed(LinkRefused):
    """The link has already been opened; it works only once."""

    code = "link_already_used"

    def __init__(self) -> None:
        """Use a fixed message."""
        super().__init__("This link has been used already. Ask for a new one.")


class LinkExpired(LinkRefused):
    """The link, or the page session it opened, has expired."""

    code = "link_expired"

    def __init__(self) -> None:
        """Use a fixed message."""
        super().__init__("This link has expired. Ask for a new one.")


class Conflict(AuthfactorError):
    """The current state does not allow it; the code says why."""

    def __init__(self, code: str, message: str) -> None:
        """`code` is one of the contract's codes."""
        super().__init__(message)
        self.code = code


class SessionEnded(Conflict):
    """The session was revoked, has expired, or was idle for too long."""

    code = "session_ended"

    def __init__(self, session_id: str) -> None:
        """Use a fixed message."""
        super().__init__(self.code, f"The session '{session_id}' has ended. Sign in again.")


class Outdated(Conflict):
    """The object has changed since the caller read it."""

    code = "changed_since"

    def __init__(self, now: str) -> None:
        """`now` says what the object is like now."""
        super().__init__(self.code, f"This has been changed since you opened it. It is now: {now}.")


class TooManyRequests(AuthfactorError):
    """The API key or IP address exceeds its rate limit; authenticate sends it as `too_many_requests`."""

    code = "rate_limit_exceeded"

    def __init__(self, retry_after: int) -> None:
        """`retry_after` is in seconds, at most five: SDKs sleep that long."""
        super().__init__("Too many requests. Wait a moment, then slow down.")
        self.retry_after = retry_after


class SendLimitReached(AuthfactorError):
    """No message was queued: too many were, to this address or user or in this environment."""

    code = "send_limit_reached"

    def __init__(self, retry_at: int, scope: Literal["address", "user", "environment"]) -> None:
        """`retry_at` (milliseconds) is when the limit named by `scope` allows the next one."""
        super().__init__(f"Too many messages: the limit of this {scope} is reached. Try again later.")
        self.retry_at = retry_at
        self.scope = scope


class Unavailable(AuthfactorError):
    """The service is temporarily unavailable; nothing was changed unless the message says so.

    Retry after `retry_after` seconds.
    """

    code = "service_unavailable"

    def __init__(
        self, message: str = "The service is busy. Try again in a moment.", *, retry_after: int = 1
    ) -> None:
        """`retry_after` is in seconds, small because SDKs sleep that long."""
        super().__init__(message)
        self.retry_after = retry_after
