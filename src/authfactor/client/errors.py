"""What the client raises. Programs read the class and the fields; messages are for people.

    ClientError
    ├── APIError                    an answer that says no: status, code, message, errors, request_id
    │   ├── BadRequestError         400
    │   │   └── TooManyAttemptsError    the tries are used up (`locked_until`, None: waiting does not help)
    │   ├── AuthenticationError     401: the API key
    │   ├── AuthorizationError      403
    │   │   ├── MfaChallengeError       a code is needed to finish the sign-in
    │   │   └── MfaEnrollmentError      a factor must be enrolled first
    │   ├── NotFoundError           404 (`entity_id`)
    │   ├── ConflictError           409
    │   ├── UnprocessableEntityError    422 (`errors`: what is wrong with which field)
    │   ├── RateLimitExceededError  429 (`retry_after`, seconds)
    │   └── ServerError             5xx
    ├── APIConnectionError          no answer
    │   └── APITimeoutError         … within the time allowed
    └── AnswerUnreadableError       an answer that is none of the API's

The same classes whether the answer came over HTTP or from this process.
"""

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from authfactor.client.types import AuthenticationChallenge, AuthenticationFactorReference, ErrorItem, User

T = TypeVar("T")


class ClientError(Exception):
    """Base of everything the client raises on purpose."""

    def __init__(self, message: str) -> None:
        """Keep the message for people."""
        super().__init__(message)
        self.message = message


class APIConnectionError(ClientError):
    """The server could not be reached, or the connection was lost; every retry allowed has been made."""


class APITimeoutError(APIConnectionError):
    """The server did not answer within the time allowed."""


class AnswerUnreadableError(ClientError):
    """What came back is not an answer of this API: a wrong address, or a proxy's page."""

    def __init__(self, message: str, *, status: int, request_id: str | None) -> None:
        """Say where to look."""
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class APIError(ClientError):
    """The API said no."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        request_id: str | None = None,
        body: dict[str, Any] | None = None,
    ) -> None:
        """`body` is the whole JSON object; `errors` its list of what is wrong with which field."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.body = body or {}
        items = self._read(list[Any], "errors") or []
        self.errors = tuple(item for item in map(_item, items) if item is not None)

    def __str__(self) -> str:
        """Name status, code, what is wrong with which field, and the request id; never what was sent."""
        items = "; ".join(item.message or item.code for item in self.errors)
        name = f"{self.status} {self.code}" if self.code else str(self.status)
        known = f" (request {self.request_id})" if self.request_id else ""
        return f"{name}: {self.message}{f' ({items})' if items else ''}{known}"

    def _read(self, shape: type[T], name: str) -> T | None:
        """Read one key of the body as a type; None when it is not there or is not that."""
        try:
            return msgspec.convert(self.body[name], shape)
        except (KeyError, msgspec.ValidationError):
            return None


class BadRequestError(APIError):
    """400: the state of things does not allow it, or the sign-in is refused; `code` says why."""


class TooManyAttemptsError(BadRequestError):
    """The challenge or its user has used up the tries."""

    @property
    def locked_until(self) -> datetime | None:
        """When the lock ends; None when waiting does not help."""
        return self._read(datetime, "locked_until")


class AuthenticationError(APIError):
    """401: the API key is missing, unknown or revoked."""


class AuthorizationError(APIError):
    """403: not allowed."""


class MfaChallengeError(AuthorizationError):
    """The password was right; a code is needed.

    Ask for the code, then `authenticate_with_totp` with `pending_authentication_token` and the id of a
    challenge: the one that came along, or one that `mfa.challenge_factor` opens for another factor.
    """

    @property
    def pending_authentication_token(self) -> str:
        """What the next step of the sign-in must bring."""
        return self._read(str, "pending_authentication_token") or ""

    @property
    def authentication_factors(self) -> tuple[AuthenticationFactorReference, ...]:
        """The factors that may be challenged."""
        return self._read(tuple[AuthenticationFactorReference, ...], "authentication_factors") or ()

    @property
    def authentication_challenge(self) -> AuthenticationChallenge | None:
        """A challenge for the newest factor, opened already."""
        return self._read(AuthenticationChallenge, "authentication_challenge")

    @property
    def user(self) -> User | None:
        """Who is about to sign in."""
        return self._read(User, "user")


class MfaEnrollmentError(AuthorizationError):
    """The password was right; the environment demands a factor and the user has none.

    `user_management.enroll_auth_factor`, then `authenticate_with_totp` with its challenge.
    """

    @property
    def pending_authentication_token(self) -> str:
        """What the next step of the sign-in must bring."""
        return self._read(str, "pending_authentication_token") or ""

    @property
    def user(self) -> User | None:
        """Who is about to sign in."""
        return self._read(User, "user")


class NotFoundError(APIError):
    """404: nothing of that kind has this id in this environment."""

    @property
    def entity_id(self) -> str | None:
        """The id."""
        return self._read(str, "entity_id")


class ConflictError(APIError):
    """409: the state of things does not allow it."""


class UnprocessableEntityError(APIError):
    """422: what was sent breaks a rule, or the challenge cannot be verified any more."""


class RateLimitExceededError(APIError):
    """429: too many requests, also after the retries."""

    retry_after: float | None = None
    """Seconds, as the server asked for."""


class ServerError(APIError):
    """5xx: the server failed, also after the retries."""


_BY_CODE: dict[tuple[int, str], type[APIError]] = {
    (400, "one_time_code_too_many_attempts"): TooManyAttemptsError,
    (403, "mfa_challenge"): MfaChallengeError,
    (403, "mfa_enrollment"): MfaEnrollmentError,
}
_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: AuthorizationError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitExceededError,
}
_SERVER_FAILED = 500


def error_of(
    status: int, content: bytes, *, request_id: str | None, retry_after: float | None
) -> APIError | AnswerUnreadableError:
    """Read the body of a refusal into the exception that stands for it."""
    try:
        body = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = {}
    # OAuth's refusals have `error` and `error_description` (RFC 6749 section 5.2).
    code = _text(body, "code", "error")
    found = _BY_CODE.get((status, code or "")) or _BY_STATUS.get(status)
    if found is None and not body and status < _SERVER_FAILED:
        text = f"The answer ({status}) is none of this API's. Is the base URL right?"
        return AnswerUnreadableError(text, status=status, request_id=request_id)
    kind = found or (ServerError if status >= _SERVER_FAILED else APIError)
    message = _text(body, "message", "error_description") or f"HTTP {status}"
    error = kind(message, status=status, code=code, request_id=request_id, body=body)
    if isinstance(error, RateLimitExceededError):
        error.retry_after = retry_after
    return error


def _text(body: dict[str, Any], *names: str) -> str | None:
    return next((body[name] for name in names if isinstance(body.get(name), str)), None)


def _item(found: object) -> ErrorItem | None:
    try:
        return msgspec.convert(found, ErrorItem)
    except msgspec.ValidationError:
        return None
