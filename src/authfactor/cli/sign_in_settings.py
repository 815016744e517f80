"""Options of `authfactor environments update`: how users sign in and up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, get_args

import click
import msgspec

from authfactor import models
from authfactor.models.tenants import EmailVerificationPolicy, SignUpPolicy

_FIELDS: Final = {
    "sign_in_methods": "methods",
    "sign_up": "sign_up",
    "verify_email": "verify_email",
    "password_reset_url": "password_reset_url",
    "invitation_url": "invitation_url",
}


def sign_in_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of how users sign in and up."""
    for option in (
        click.option(
            "--production/--no-production",
            default=None,
            help="Whether redirect URIs must be https. Default: unless the server itself is on loopback.",
        ),
        click.option(
            "--sign-in-url",
            help="URL of your application at which a sign-in begins. Hosted pages lead there to start again."
            " Empty: none.",
        ),
        click.option(
            "--invitation-url", help="Your page behind mailed invitations. Empty: the page of this server."
        ),
        click.option(
            "--password-reset-url", help="Your page behind mailed links. Empty: the page of this server."
        ),
        click.option(
            "--verify-email",
            type=click.Choice(get_args(EmailVerificationPolicy)),
            help="Whether a password signs in only users with a verified email; with_mail: once the"
            " environment sends mail, as in new environments.",
        ),
        click.option(
            "--sign-up",
            type=click.Choice(get_args(SignUpPolicy)),
            help="Whether a magic code makes users of unknown emails without an invitation.",
        ),
        click.option(
            "--sign-in-method",
            "sign_in_methods",
            multiple=True,
            type=click.Choice(get_args(models.SignInMethod)),
            help="A way to sign in that is allowed. Can be repeated. Replaces the list; default: all.",
        ),
    ):
        command = option(command)
    return command


def changed(options: models.EnvironmentOptions, changes: dict[str, Any]) -> models.EnvironmentOptions:
    """Return options with the given changes; "" resets a URL."""
    own = {_FIELDS[name]: value or None for name, value in changes.items() if name in _FIELDS}
    others = {name: value for name, value in changes.items() if name not in _FIELDS}
    if "sign_in_url" in others:
        others["sign_in_url"] = others["sign_in_url"] or None
    sign_in = msgspec.structs.replace(options.sign_in, **own)
    return msgspec.structs.replace(options, **others, sign_in=sign_in)


def shape(options: models.SignInOptions) -> dict[str, str | None]:
    """Return the settings as they are shown."""
    return {
        "sign_in_methods": ", ".join(options.methods),
        "sign_up": options.sign_up,
        "verify_email": options.verify_email,
        "password_reset_url": options.password_reset_url,
        "invitation_url": options.invitation_url,
    }
