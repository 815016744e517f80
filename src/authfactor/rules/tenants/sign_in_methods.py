"""Which ways of signing in and up an environment allows."""

from typing import Final

from authfactor import errors
from authfactor.email_errors import SignInMethodOff
from authfactor.models import Environment, SignInMethod, SignInOptions
from authfactor.rules.authentication.applied_policy import options_of

_PASSWORD_OFF: Final = "email_password_auth_disabled"  # noqa: S105 - an error's code


def sign_in_options(environment: Environment) -> SignInOptions:
    """Return how users of an environment sign in and up."""
    return options_of(environment.options).sign_in


def allows(environment: Environment, method: SignInMethod) -> bool:
    """Return whether an environment allows a way of signing in."""
    return method in sign_in_options(environment).methods


def require_method(environment: Environment, method: SignInMethod) -> None:
    """Raise `SignInMethodOff` unless the environment allows this way of signing in."""
    if not allows(environment, method):
        code = _PASSWORD_OFF if method == "password" else "authentication_method_not_allowed"
        raise SignInMethodOff(code, f"This environment does not allow sign-in by {method}.")


def verifies_emails(environment: Environment) -> bool:
    """Return whether a password signs in only users with a verified email."""
    options = options_of(environment.options)
    policy = options.sign_in.verify_email
    return policy == "required" or (policy == "with_mail" and options.mail is not None)


def require_sign_up(environment: Environment) -> None:
    """Raise `OAuthRefused` unless anyone may sign up."""
    if sign_in_options(environment).sign_up != "open":
        raise errors.OAuthRefused("sign_up_not_allowed", "This environment does not allow sign-up.")


def signs_up(environment: Environment) -> bool:
    """Return whether anyone may sign up."""
    return sign_in_options(environment).sign_up == "open"


def takes_passwords(environment: Environment) -> bool:
    """Return whether new users may choose a password before their email is verified."""
    return allows(environment, "password") and not verifies_emails(environment)
