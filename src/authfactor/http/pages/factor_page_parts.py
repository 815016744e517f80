"""What the page on which users manage their factors and its steps have in common."""

import functools
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from authfactor import errors
from authfactor.http.pages import code_problems
from authfactor.http.pages.page_branding import page_branding
from authfactor.http.pages.page_request import PageHandler, PageRequest
from authfactor.http.response import Response
from authfactor.http.telemetry.shared_counters import LOCKED, VERDICT_BY_REASON, WRONG
from authfactor.models import Verification
from authfactor.rules.links.factor_page_refusals import ConfirmationRequired
from authfactor.rules.links.factor_pages import FactorsPage
from authfactor.rules.links.page_sessions import PageSession

# What the page says after a change, and how.
DONE: Final = {
    "added": "ok",
    "renamed": "ok",
    "removed": "ok",
    "removed_last": "warn",
    "sessions_ended": "ok",
    "forgotten": "ok",
    "device_gone": "warn",
    "gone": "warn",
    "full": "warn",
    "codes_already_made": "warn",
    "passkey_added": "ok",
    "passkey_removed": "ok",
    "passkey_removed_last": "warn",
    "passkey_refused": "warn",
    "passkey_kind": "warn",
    "passkey_unverified": "warn",
    "passkey_exists": "warn",
    "passkey_expired": "warn",
}


def asks_for_a_code(then: str = "") -> Callable[[PageHandler], PageHandler]:
    """Redirect a change that needs a code to where it is entered; `then` "" is the factor in the path."""
    return functools.partial(_wrap, then)


def _wrap(then: str, handler: PageHandler) -> PageHandler:
    @functools.wraps(handler)
    async def respond(request: PageRequest) -> Response:
        try:
            return await handler(request)
        except ConfirmationRequired:
            step = then or quote(request.ids[1], safe="")
            return request.redirect(f"{home(request)}/confirm/{step}")
        except errors.NotFound:
            # Removed in another window, or never this user's.
            return done(request, "gone")

    return respond


async def view(request: PageRequest) -> FactorsPage:
    """Return what the page shows, and speak the user's language from now on."""
    page = await request.af.read(request.af.factor_pages.view(request.ids[0], request.page_secret()))
    return page._replace(page_session=in_users_language(request, page.page_session))


def in_users_language(request: PageRequest, page_session: PageSession) -> PageSession:
    """Set the language, unless another one was picked on a page; return the page session."""
    request.default_language(page_session.user.locale)
    return page_session


def render(request: PageRequest, template: str, page_session: PageSession, **names: object) -> Response:
    """Render a template of this folder with what all of them show."""
    return request.render(
        f"link/{template}.html",
        link=page_session.link,
        user=page_session.user,
        branding=page_branding(page_session.environment, page_session.branding),
        home=home(request),
        **names,  # type: ignore[arg-type]  # of the template and of `render`
    )


def problem(
    request: PageRequest, verification: Verification | None, error: errors.TooManyAttempts | None
) -> tuple[str | None, dict[str, object]]:
    """Return why a code was not accepted, and the status, log code and verdict that go with it."""
    if error is not None:
        ending = {"status": 422, "verdict": LOCKED, "error_code": error.code}
        return code_problems.locked(request, error), ending
    if verification is None:
        return None, {}
    reason = verification.reason or "code_mismatch"
    verdict = VERDICT_BY_REASON.get(reason, WRONG)
    ending = {"status": 422, "verdict": verdict, "error_code": code_problems.error_code_of(verification)}
    return code_problems.rejected(request, verification, counts_down=False), ending


def done(request: PageRequest, message: str, verdict: str | None = None) -> Response:
    """Redirect to the page with a message, one of `DONE`."""
    return request.redirect(f"{home(request)}?done={message}", verdict=verdict)


def home(request: PageRequest) -> str:
    """Return the path of the page."""
    return f"/factors/{quote(request.ids[0], safe='')}"
