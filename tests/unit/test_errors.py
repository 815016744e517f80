"""The error classes: each has a description, an HTTP status, and an exit code."""

import inspect
import re
from typing import Final

import pytest

from authfactor import errors
from authfactor.cli import exit_codes
from authfactor.errors import AuthfactorError
from authfactor.http import error_responses


def _with_subclasses(base: type[AuthfactorError]) -> list[type[AuthfactorError]]:
    below = [descendant for child in base.__subclasses__() for descendant in _with_subclasses(child)]
    return [base, *(child for child in below if child.__module__ == errors.__name__)]


ERRORS: Final = sorted(_with_subclasses(AuthfactorError), key=lambda kind: kind.__name__)
# Base classes that are never raised themselves.
ABSTRACT: Final = {AuthfactorError, errors.ChallengeRefused}
WITH_A_CODE: Final = [kind for kind in ERRORS if "code" in vars(kind)]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_class_has_a_docstring(kind: type[AuthfactorError]) -> None:
    assert re.match(r"[A-Z].{15,}\.", vars(kind)["__doc__"])


def test_every_error_class_is_in_the_module_docstring() -> None:
    tree = inspect.getdoc(errors) or ""

    assert [kind.__name__ for kind in ERRORS if not re.search(rf"\b{kind.__name__}\b", tree)] == []


@pytest.mark.parametrize("kind", [kind for kind in ERRORS if kind not in ABSTRACT])
def test_every_raised_error_has_its_own_http_status(kind: type[AuthfactorError]) -> None:
    assert kind in error_responses.STATUSES
    assert 400 <= error_responses.STATUSES[kind] <= 599
    assert (error_responses.STATUSES[kind] >= 500) == (kind in {errors.Unavailable, errors.NotSupported})


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_has_or_inherits_an_exit_code(kind: type[AuthfactorError]) -> None:
    code = next(exit_codes.CODES[base] for base in kind.__mro__ if base in exit_codes.CODES)

    assert 1 <= code <= 8


def test_exit_codes_of_errors_never_change() -> None:
    raised: dict[Exception, int] = {
        ValueError("x"): 1,
        AuthfactorError("x"): 1,
        errors.InvalidRequest(): 2,
        errors.PasswordTooWeak(): 2,
        errors.Unauthorized(): 3,
        errors.Forbidden("x"): 3,
        errors.NotFound("User", "user_1"): 4,
        errors.ChallengeExpired("auth_challenge_1", 0): 5,
        errors.ChallengeAlreadyVerified("auth_challenge_1"): 5,
        errors.SignInRefused("invalid_credentials", "x"): 5,
        errors.OAuthRefused("invalid_grant", "x"): 5,
        errors.Conflict("x", "x"): 5,
        errors.TooManyAttempts(locked_until=None): 6,
        errors.TooManyRequests(1): 7,
        errors.Unavailable(): 7,
    }

    assert {repr(error): exit_codes.code_of(error) for error in raised} == {
        repr(error): code for error, code in raised.items()
    }


def test_every_exit_code_is_documented() -> None:
    explained = {int(number) for number in re.findall(r"(\d) [a-z]", exit_codes.__doc__ or "")}

    assert explained == {0, *exit_codes.CODES.values()}


def test_error_codes_of_the_api_never_change() -> None:
    assert {kind.__name__: kind.code for kind in WITH_A_CODE} == {
        "AuthfactorError": "internal_error",
        "BodyTooLarge": "request_too_large",
        "ChallengeAlreadyVerified": "authentication_challenge_previously_verified",
        "ChallengeExpired": "authentication_challenge_expired",
        "Forbidden": "forbidden",
        "IdempotencyKeyReused": "idempotency_key_reused",
        "InvalidRequest": "invalid_request_parameters",
        "LinkExpired": "link_expired",
        "LinkUnknown": "link_unknown",
        "LinkUsed": "link_already_used",
        "MalformedBody": "invalid_json",
        "MethodNotAllowed": "method_not_allowed",
        "NotFound": "entity_not_found",
        "NotSupported": "not_supported",
        "Outdated": "changed_since",
        "SessionEnded": "session_ended",
        "ProofNeeded": "reauthentication_required",
        "SendLimitReached": "send_limit_reached",
        "PasswordTooWeak": "password_strength_error",
        "RouteNotFound": "not_found",
        "TooManyAttempts": "one_time_code_too_many_attempts",
        "TooManyRequests": "rate_limit_exceeded",
        "Unauthorized": "unauthorized",
        "Unavailable": "service_unavailable",
        "UserCreationFailed": "user_creation_error",
    }


def test_unlisted_error_class_is_handled_like_its_base() -> None:
    class Unlisted(errors.NotFound):
        """A subclass that no table lists."""

    class UnlistedRoot(AuthfactorError):
        """A direct subclass that no table lists."""

    assert error_responses.status_of(Unlisted("User", "user_1")) == 404
    assert exit_codes.code_of(Unlisted("User", "user_1")) == 4
    assert error_responses.status_of(UnlistedRoot("x")) == 500
    assert exit_codes.code_of(UnlistedRoot("x")) == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.NotFound("User", "user_1"), "User not found: 'user_1'."),
        (errors.Unauthorized(), "Unauthorized"),
        (errors.InvalidRequest(), "Validation failed"),
        (errors.InvalidRequest(message="Custom."), "Custom."),
        (errors.UserCreationFailed(), "Could not create user."),
        (errors.MethodNotAllowed(("GET", "POST")), "Method not allowed. Use GET or POST."),
        (errors.ChallengeExpired("c_1", 0), "The authentication challenge 'c_1' has expired."),
        (
            errors.ChallengeAlreadyVerified("c_1"),
            "The authentication challenge 'c_1' has already been verified.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_errors_have_the_expected_messages(error: AuthfactorError, message: str) -> None:
    assert error.message == str(error) == message


def test_lock_message_explains_how_to_continue() -> None:
    challenge = errors.TooManyAttempts(locked_until=None)
    lock = errors.TooManyAttempts(locked_until=1000)
    hard_stop = errors.TooManyAttempts(locked_until=None, hard_stop=True)

    assert "Create a new challenge" in challenge.message
    assert "Wait until the lock ends" in lock.message
    assert "operator" in hard_stop.message
    assert (challenge.locked_until, lock.locked_until, hard_stop.locked_until) == (None, 1000, None)
    assert [error.hard_stop for error in (challenge, lock, hard_stop)] == [False, False, True]


def test_errors_store_their_constructor_arguments() -> None:
    item = errors.Item("code", "code_invalid", "code: six digits.")

    assert errors.InvalidRequest(item, item).items == (item, item)
    assert errors.NotFound("User", "user_1").entity_id == "user_1"
    assert errors.Unavailable(retry_after=3).retry_after == 3
    assert errors.Conflict("factor_locked", "x").code == "factor_locked"
    assert errors.Conflict("another", "x").code != errors.Conflict.code
