"""The exceptions of the client. Programs should use the class and the fields; messages are for people.

    ClientError
    ├── APIError                    an error response: status, code, message, errors, request_id
    │   ├── BadRequestError         400
    │   │   └── TooManyAttemptsError    too many wrong codes (`locked_until`, None if no lock ends)
    │   ├── AuthenticationError     401: invalid API key
    │   ├── AuthorizationError      403
    │   │   ├── MfaChallengeError       a code is required to finish the sign-in
    │   │   └── MfaEnrollmentError      the user must enroll a factor first
    │   ├── NotFoundError           404 (`entity_id`)
    │   ├── ConflictError           409
    │   ├── UnprocessableEntityError    422 (`errors`: the invalid fields)
    │   ├── RateLimitExceededError  429 (`retry_after`, seconds)
    │   └── ServerError             5xx
    ├── APIConnectionError          no response
    │   └── APITimeoutError         no response within the timeout
    └── AnswerUnreadableError       a response that is not from this API

Every method of a client can raise `AuthenticationError`, `RateLimitExceededError`, `ServerError`,
`APIConnectionError` and `AnswerUnreadableError`. An in-process client raises the same classes.
"""

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from authfactor.client.types import AuthenticationChallenge, AuthenticationFactorReference, ErrorItem, User

T = TypeVar("T")


class ClientError(Exception):
    """Base class of the client's exceptions."""

    def __init__(self, message: str) -> None:
        """`message` is for people."""
        super().__init__(message)
        self.message = message


class APIConnectionError(ClientError):
    """The server could not be reached, or the connection was lost, even after the retries."""


class APITimeoutError(APIConnectionError):
    """The server did not respond within the timeout, even after the retries."""


class AnswerUnreadableError(ClientError):
    """The response is not from this API: a wrong base URL, or the error page of a proxy."""

    def __init__(self, message: str, *, status: int, request_id: str | None) -> None:
        """`status` is the HTTP status, `request_id` the header `X-Request-ID`, if any."""
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class APIError(ClientError):
    """The API returned an error response."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        request_id: str | None = None,
        body: dict[str, Any] | None = None,
    ) -> None:
        """`body` is the JSON object of the response; `errors` lists its invalid fields."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.body = body or {}
        items = self._read(list[Any], "errors") or []
        self.errors = tuple(item for item in map(_item, items) if item is not None)

    def __str__(self) -> str:
        """Return status, code, message, invalid fields and request id; never a value that was sent."""
        items = "; ".join(item.message or item.code for item in self.errors)
        name = f"{self.status} {self.code}" if self.code else str(self.status)
        known = f" (request {self.request_id})" if self.request_id else ""
        return f"{name}: {self.message}{f' ({items})' if items else ''}{known}"

    def _read(self, shape: type[T], name: str) -> T | None:
        """Return a key of the body, converted; None if it is missing or has another type."""
        try:
            return msgspec.convert(self.body[name], shape)
        except (KeyError, msgspec.ValidationError):
            return None


class BadRequestError(APIError):
    """400: the request conflicts with existing data, or the sign-in was rejected; see `code`."""


class TooManyAttemptsError(BadRequestError):
    """400: too many wrong codes, for the challenge or for its user."""

    @property
    def locked_until(self) -> datetime | None:
        """When the user's lock ends; None if waiting does not help."""
        return self._read(datetime, "locked_until")


class AuthenticationError(APIError):
    """401: the API key is missing, unknown or revoked."""


class AuthorizationError(APIError):
    """403: not allowed."""


class MfaChallengeError(AuthorizationError):
    """403: the password was right, and a code is required.

    Ask the user for the code. Then call `authenticate_with_totp` with `pending_authentication_token` and the
    id of a challenge: `authentication_challenge`, or one that `mfa.challenge_factor` creates.
    """

    @property
    def pending_authentication_token(self) -> str:
        """The token to pass to `authenticate_with_totp`."""
        return self._read(str, "pending_authentication_token") or ""

    @property
    def authentication_factors(self) -> tuple[AuthenticationFactorReference, ...]:
        """The user's factors that can be challenged."""
        return self._read(tuple[AuthenticationFactorReference, ...], "authentication_factors") or ()

    @property
    def authentication_challenge(self) -> AuthenticationChallenge | None:
        """A new challenge for the user's newest factor."""
        return self._read(AuthenticationChallenge, "authentication_challenge")

    @property
    def user(self) -> User | None:
        """The user who is signing in."""
        return self._read(User, "user")


class MfaEnrollmentError(AuthorizationError):
    """403: the password was right, but the environment requires a factor and the user has none.

    Call `user_management.enroll_auth_factor`, then `authenticate_with_totp` with the new factor's challenge.
    """

    @property
    def pending_authentication_token(self) -> str:
        """The token to pass to `authenticate_with_totp`."""
        return self._read(str, "pending_authentication_token") or ""

    @property
    def methods(self) -> list[str]:
        """The only methods that count for this user; empty if all do."""
        return self._read(list[str], "methods") or []

    @property
    def user(self) -> User | None:
        """The user who is signing in."""
        return self._read(User, "user")


class EmailVerificationRequiredError(AuthorizationError):
    """403: the password was right, and the user's email must be verified first; a code was mailed.

    Ask the user for it. Then call `authenticate_with_email_verification`.
    """

    @property
    def pending_authentication_token(self) -> str:
        """The token to pass to `authenticate_with_email_verification`."""
        return self._read(str, "pending_authentication_token") or ""

    @property
    def email(self) -> str:
        """The address to which the code was mailed."""
        return self._read(str, "email") or ""

    @property
    def email_verification_id(self) -> str:
        """The email verification, for `get_email_verification`."""
        return self._read(str, "email_verification_id") or ""


class NotFoundError(APIError):
    """404: there is no such object with this id in the environment."""

    @property
    def entity_id(self) -> str | None:
        """The id that was not found."""
        return self._read(str, "entity_id")


class ConflictError(APIError):
    """409: the request conflicts with existing data."""


class UnprocessableEntityError(APIError):
    """422: a parameter is invalid, or the challenge can no longer be verified."""


class RateLimitExceededError(APIError):
    """429: too many requests, even after the retries."""

    retry_after: float | None = None
    """Seconds to wait, from the header `Retry-After`."""


class ServerError(APIError):
    """5xx: the server failed, even after the retries."""


_BY_CODE: dict[tuple[int, str], type[APIError]] = {
    (400, "one_time_code_too_many_attempts"): TooManyAttemptsError,
    (403, "email_verification_required"): EmailVerificationRequiredError,
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
    """Make the exception for an error response. `content` is its body, `retry_after` in seconds."""
    try:
        body = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = {}
    # OAuth error responses have `error` and `error_description` (RFC 6749 section 5.2).
    code = _text(body, "code", "error")
    found = _BY_CODE.get((status, code or "")) or _BY_STATUS.get(status)
    if found is None and not body and status < _SERVER_FAILED:
        text = f"The response ({status}) is not from this API. Check the base URL."
        return AnswerUnreadableError(text, status=status, request_id=request_id)
    kind = found or (ServerError if status >= _SERVER_FAILED else APIError)
    message = _text(body, "message", "error_description") or f"HTTP {status}"
    error = kind(message, status=status, code=code, request_id=request_id, body=body)
    if isinstance(error, RateLimitExceededError):
        error.retry_after = retry_after
    return error


def _text(body: dict[str, Any], *names: str) -> str | None:
    return next((body[name] for name in names if isinstance(body.get(name), str)), None)


def _item(value: object) -> ErrorItem | None:
    try:
        return msgspec.convert(value, ErrorItem)
    except msgspec.ValidationError:
        return None
