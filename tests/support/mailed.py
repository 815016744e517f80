"""What a user finds in their mail: the codes and links that the outbox has for them."""

from typing import Any, Final

import httpx
import msgspec

from authfactor.models import EnvironmentOptions, PageQuery
from authfactor.models.tenants import MailOptions, SendLimits
from authfactor.rules.authentication.applied_policy import options_of
from tests.support.application import Application, Json
from tests.support.server_process import fields

MAGIC_AUTH: Final = "urn:workos:oauth:grant-type:magic-auth:code"
EMAIL_VERIFICATION: Final = "urn:workos:oauth:grant-type:email-verification:code"
# Codes may follow each other at once, so that a test need not wait.
_UNLIMITED: Final = MailOptions(limits=SendLimits(interval=0, per_hour=999, per_day=999))


async def set_sign_in(application: Application, **changes: Any) -> None:  # noqa: ANN401 - any setting
    """Change how users sign in and up."""
    environment = await application.environment()
    options = options_of(environment.options)
    sign_in = msgspec.structs.replace(options.sign_in, **changes)
    await _set(application, msgspec.structs.replace(options, sign_in=sign_in))


async def send_mail(application: Application, limits: SendLimits | None = None) -> None:
    """Have the environment send mail."""
    options = options_of((await application.environment()).options)
    mail = _UNLIMITED if limits is None else MailOptions(limits=limits)
    await _set(application, msgspec.structs.replace(options, mail=mail))


async def _set(application: Application, options: EnvironmentOptions) -> None:
    unit = application.af.environments.update(await application.environment(), options=options)
    await application.af.run(unit)
    # Callers are cached for most of a second.
    application.clock.advance(1)


async def mails(application: Application) -> list[tuple[str, str, dict[str, str]]]:
    """Return kind, recipient and values of the messages that wait to be sent, oldest first."""
    environment, af = await application.environment(), application.af
    page = await af.read(af.messages.page(environment, PageQuery(100, "asc")))
    return [
        (each.kind, each.recipient, af.messages.values_of(environment.number, each))
        for each in page.items
        if each.state == "pending"
    ]


async def magic(application: Application, email: object, **more: Any) -> Json:  # noqa: ANN401 - any field
    """Make a magic code."""
    body = {"email": email, **more}
    return fields(await application.api.post("/user_management/magic_auth", json=body), 201)


async def enter(application: Application, email: object, code: object, **more: Any) -> httpx.Response:  # noqa: ANN401 - any field
    """Sign in with a magic code."""
    return await application.grant(MAGIC_AUTH, email=email, code=code, **more)


def other(code: object) -> str:
    """Return a code that differs."""
    return f"{(int(str(code)) + 1) % 10**6:06d}"


async def allow_redirect(application: Application, url: str) -> None:
    """Put a URL on the environment's list of pages."""
    options = options_of((await application.environment()).options)
    await _set(application, msgspec.structs.replace(options, page_redirects=(url,)))
