"""The family of errors: each is described, and each door knows what to answer."""

import inspect
import re
from typing import Final

import pytest

from authfactor import errors
from authfactor.cli import exit_codes
from authfactor.errors import AuthfactorError
from authfactor.http import error_responses


def _family(base: type[AuthfactorError]) -> list[type[AuthfactorError]]:
    below = [inner for heir in base.__subclasses__() for inner in _family(heir)]
    return [base, *(heir for heir in below if heir.__module__ == errors.__name__)]


FAMILY: Final = sorted(_family(AuthfactorError), key=lambda kind: kind.__name__)
# Nothing raises these two themselves.
GROUPS: Final = {AuthfactorError, errors.ChallengeRefused}
WITH_A_CODE: Final = [kind for kind in FAMILY if "code" in vars(kind)]


@pytest.mark.parametrize("kind", FAMILY)
def test_every_error_is_described(kind: type[AuthfactorError]) -> None:
    assert re.match(r"[A-Z].{15,}\.", vars(kind)["__doc__"])


def test_every_error_is_in_the_tree_at_the_top_of_the_module() -> None:
    tree = inspect.getdoc(errors) or ""

    assert [kind.__name__ for kind in FAMILY if not re.search(rf"\b{kind.__name__}\b", tree)] == []


@pytest.mark.parametrize("kind", [kind for kind in FAMILY if kind not in GROUPS])
def test_every_error_that_is_raised_has_a_status_of_its_own(kind: type[AuthfactorError]) -> None:
    assert kind in error_responses.STATUSES
    assert 400 <= error_responses.STATUSES[kind] <= 599
    assert (error_responses.STATUSES[kind] >= 500) == (kind is errors.Unavailable)


@pytest.mark.parametrize("kind", FAMILY)
def test_every_error_has_an_exit_code_by_itself_or_its_base(kind: type[AuthfactorError]) -> None:
    code = next(exit_codes.CODES[base] for base in kind.__mro__ if base in exit_codes.CODES)

    assert 1 <= code <= 8


def test_the_exit_codes_are_those_that_scripts_rely_on() -> None:
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


def test_every_exit_code_is_explained() -> None:
    explained = {int(number) for number in re.findall(r"(\d) [a-z]", exit_codes.__doc__ or "")}

    assert explained == {0, *exit_codes.CODES.values()}


def test_the_codes_of_the_wire_never_change() -> None:
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
        "PasswordTooWeak": "password_strength_error",
        "RouteNotFound": "not_found",
        "TooManyAttempts": "one_time_code_too_many_attempts",
        "TooManyRequests": "rate_limit_exceeded",
        "Unauthorized": "unauthorized",
        "Unavailable": "service_unavailable",
        "UserCreationFailed": "user_creation_error",
    }


def test_an_error_of_a_class_nobody_listed_is_answered_as_its_base() -> None:
    class Unlisted(errors.NotFound):
        """A stranger."""

    class Stranger(AuthfactorError):
        """Another."""

    assert error_responses.status_of(Unlisted("User", "user_1")) == 404
    assert exit_codes.code_of(Unlisted("User", "user_1")) == 4
    assert error_responses.status_of(Stranger("x")) == 500
    assert exit_codes.code_of(Stranger("x")) == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.NotFound("User", "user_1"), "User not found: 'user_1'."),
        (errors.Unauthorized(), "Unauthorized"),
        (errors.InvalidRequest(), "Validation failed"),
        (errors.InvalidRequest(message="Look."), "Look."),
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
def test_the_message_is_for_people(error: AuthfactorError, message: str) -> None:
    assert error.message == str(error) == message


def test_a_lock_says_whether_waiting_helps() -> None:
    challenge = errors.TooManyAttempts(locked_until=None)
    lock = errors.TooManyAttempts(locked_until=1000)
    stop = errors.TooManyAttempts(locked_until=None, hard_stop=True)

    assert "Create a new challenge" in challenge.message
    assert "Wait until the lock ends" in lock.message
    assert "operator" in stop.message
    assert (challenge.locked_until, lock.locked_until, stop.locked_until) == (None, 1000, None)
    assert [error.hard_stop for error in (challenge, lock, stop)] == [False, False, True]


def test_an_error_keeps_its_evidence() -> None:
    item = errors.Item("code", "code_invalid", "code: six digits.")

    assert errors.InvalidRequest(item, item).items == (item, item)
    assert errors.NotFound("User", "user_1").entity_id == "user_1"
    assert errors.Unavailable(retry_after=3).retry_after == 3
    assert errors.Conflict("factor_locked", "x").code == "factor_locked"
    assert errors.Conflict("another", "x").code != errors.Conflict.code
