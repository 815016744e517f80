"""The one family of errors, each with a stable code and the evidence that explains it.

    AuthfactorError
    ├── InvalidRequest            what was sent cannot be read or breaks a rule (carries items)
    │   ├── MalformedBody  BodyTooLarge
    │   ├── UserCreationFailed  PasswordTooWeak  InvalidUserField
    │   └── IdempotencyKeyReused
    ├── Unauthorized              no key, or a key that is not (or no longer) known
    ├── Forbidden                 who asks is known, and may not do this
    ├── NotFound                  nothing of that kind has this id in this environment
    ├── RouteNotFound  MethodNotAllowed
    ├── ChallengeRefused          the challenge cannot be verified any more
    │   ├── ChallengeExpired  ChallengeAlreadyVerified
    │   └── TooManyAttempts
    ├── SignInRefused             the authenticate endpoint says no
    │   ├── OAuthRefused          shapes with `error` and `error_description`
    │   └── StepUpRequired        a second step is needed first
    ├── LinkRefused               a link to a page does not lead there
    │   └── LinkUnknown  LinkUsed  LinkExpired
    ├── Conflict                  the state does not allow it
    ├── TooManyRequests           slow down
    └── Unavailable               try again in a moment

Codes are part of the wire contract and never change. `http.error_responses` maps them to HTTP statuses,
`cli.exit_codes` to exit codes.
Messages are for people; programs read the code and the evidence fields.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from authfactor.models import ChallengeRecord, UserRecord


@dataclass(frozen=True, slots=True)
class Item:
    """One thing wrong with a request: the field, a stable code, and what to do about it."""

    field: str
    code: str
    message: str


class AuthfactorError(Exception):
    """Base of everything this package raises on purpose."""

    code: str = "internal_error"
    commits: bool = False
    """Whether `Store.write` commits what the unit wrote before it raised this error."""

    def __init__(self, message: str) -> None:
        """Take a message for people."""
        super().__init__(message)
        self.message = message

    def after_commit(self) -> Self:
        """Mark a refusal whose traces (a count, an event) must be kept: the store commits, then raises it.

        The same class is raised with and without this: a refusal after a lost race rolls back.
        """
        self.commits = True
        return self


class InvalidRequest(AuthfactorError):
    """What was sent breaks a rule; every broken rule is an item."""

    code = "invalid_request_parameters"
    default_message: ClassVar[str] = "Validation failed"

    def __init__(self, *items: Item, message: str | None = None) -> None:
        """Collect the items."""
        super().__init__(message or self.default_message)
        self.items = items


class MalformedBody(InvalidRequest):
    """The body is not JSON, or not an object."""

    code = "invalid_json"


class BodyTooLarge(InvalidRequest):
    """The body is longer than the server reads."""

    code = "request_too_large"


class UserCreationFailed(InvalidRequest):
    """A user with this email or external id exists already."""

    code = "user_creation_error"
    default_message = "Could not create user."


class PasswordTooWeak(InvalidRequest):
    """The password is not strong enough; items say why."""

    code = "password_strength_error"
    default_message = "Password does not meet strength requirements."


class InvalidUserField(InvalidRequest):
    """One field of a user cannot be accepted; the code names which rule (the contract lists them)."""

    def __init__(self, code: str, message: str) -> None:
        """Carry a code that the contract fixes for this very rule."""
        super().__init__(message=message)
        self.code = code


class IdempotencyKeyReused(InvalidRequest):
    """The same Idempotency-Key came with another body."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            message="This Idempotency-Key was used with a different request body."
            " Use a new key for a new request."
        )


class Unauthorized(AuthfactorError):
    """The API key is missing, unknown or revoked."""

    code = "unauthorized"

    def __init__(self) -> None:
        """The contract fixes the text."""
        super().__init__("Unauthorized")


class Forbidden(AuthfactorError):
    """Who asks is known, and may not do this."""

    code = "forbidden"


class NotFound(AuthfactorError):
    """Nothing of that kind has this id here; an id of another environment is exactly as unknown."""

    code = "entity_not_found"

    def __init__(self, kind: str, entity_id: str) -> None:
        """Name the kind in words (`User`) and repeat the id."""
        super().__init__(f"{kind} not found: '{entity_id}'.")
        self.kind = kind
        self.entity_id = entity_id


class RouteNotFound(AuthfactorError):
    """No endpoint has this path."""

    code = "not_found"


class MethodNotAllowed(AuthfactorError):
    """The path exists, the method does not."""

    code = "method_not_allowed"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        """Name the methods that exist."""
        super().__init__(f"Method not allowed. Use {' or '.join(allowed)}.")
        self.allowed = allowed


class ChallengeRefused(AuthfactorError):
    """The challenge cannot be verified."""


class ChallengeExpired(ChallengeRefused):
    """The challenge is past its expiry."""

    code = "authentication_challenge_expired"

    def __init__(self, challenge_id: str, expired_at: int) -> None:
        """`expired_at` in milliseconds of the epoch."""
        super().__init__(f"The authentication challenge '{challenge_id}' has expired.")
        self.expired_at = expired_at


class ChallengeAlreadyVerified(ChallengeRefused):
    """The challenge has done its work."""

    code = "authentication_challenge_previously_verified"

    def __init__(self, challenge_id: str) -> None:
        """The contract fixes the text."""
        super().__init__(f"The authentication challenge '{challenge_id}' has already been verified.")


class TooManyAttempts(ChallengeRefused):
    """The challenge or its user has used up the tries."""

    code = "one_time_code_too_many_attempts"

    def __init__(self, *, locked_until: int | None, hard_stop: bool = False) -> None:
        """`locked_until` in milliseconds of the epoch; None when waiting does not help."""
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
    """A sign-in was refused; the code names the reason (contract: failures of authenticate)."""

    reason: str | None = None
    """Why a code was refused, as in `Verification.reason`; None when the refusal is not about a code."""

    def __init__(self, code: str, message: str, *, reason: str | None = None) -> None:
        """Take one of the contract's codes."""
        super().__init__(message)
        self.code = code
        self.reason = reason


class OAuthRefused(SignInRefused):
    """A sign-in was refused in the shape of RFC 6749 section 5.2: `error` and `error_description`."""


class StepUpRequired(SignInRefused):
    """The password was right; a second step is needed. Carries what the next request must bring."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        pending_token: str,
        user: "UserRecord",
        factor_ids: tuple[str, ...] = (),
        challenge: "ChallengeRecord | None" = None,
    ) -> None:
        """`code` is `mfa_challenge` or `mfa_enrollment`."""
        super().__init__(code, message)
        self.pending_token = pending_token
        self.user = user
        self.factor_ids = factor_ids
        self.challenge = challenge


class LinkRefused(AuthfactorError):
    """A link to a page does not lead there."""


class LinkUnknown(LinkRefused):
    """No link has this address, or this browser did not open it. Never says which."""

    code = "link_unknown"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("This link is not known. Ask for a new one.")


class LinkUsed(LinkRefused):
    """The link has been opened already; a link is good once."""

    code = "link_already_used"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("This link has been used already. Ask for a new one.")


class LinkExpired(LinkRefused):
    """The link, or the page it led to, is past its time."""

    code = "link_expired"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("This link has expired. Ask for a new one.")


class Conflict(AuthfactorError):
    """The state of things does not allow it; the code names why."""

    def __init__(self, code: str, message: str) -> None:
        """Carry one of the contract's codes."""
        super().__init__(message)
        self.code = code


class TooManyRequests(AuthfactorError):
    """This API key or address asks more often than the server's rate shaping lets it."""

    code = "rate_limit_exceeded"

    def __init__(self, retry_after: int) -> None:
        """`retry_after` in seconds, at most five: SDKs sleep on it."""
        super().__init__("Too many requests. Wait a moment, then go on more slowly.")
        self.retry_after = retry_after


class Unavailable(AuthfactorError):
    """The service cannot answer now; nothing was changed. Try again after `retry_after` seconds."""

    code = "service_unavailable"

    def __init__(
        self, message: str = "The service is busy. Try again in a moment.", *, retry_after: int = 1
    ) -> None:
        """`retry_after` in seconds, small: SDKs sleep on it."""
        super().__init__(message)
        self.retry_after = retry_after
