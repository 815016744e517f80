"""The pages behind a link: a start page, then enrollment or challenge, then a confirmation.

`factor_pages` has the page on which users manage their factors.

`GET /link/{token}` changes nothing, as link previews also send it. The start page's button opens the link: a
POST binds it to a cookie of this browser and redirects to a URL without the token, which can be reloaded for
as long as the page session lasts.
"""

from typing import Any, Final

from authfactor import errors
from authfactor.http.pages import code_problems, passkey_parts, setup_secret, trusted_browser_cookie
from authfactor.http.pages.browser_security import Cookie
from authfactor.http.pages.page_branding import page_branding
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.http.telemetry.shared_counters import LOCKED, TRUSTED, VERDICT_BY_REASON, WRONG
from authfactor.models import LinkPurpose, LinkRecord, Verification
from authfactor.rules.links.page_sessions import CodeOutcome, PageSession, check_unopened
from authfactor.rules.links.trusted_browsers import days_offered

PATHS: Final[dict[LinkPurpose, str]] = {
    "enrollment": "/enroll/",
    "challenge": "/challenge/",
    "factors": "/factors/",
}


async def show_link(request: PageRequest) -> Response:
    """Show the start page of a link, or redirect a browser that has opened it to its page."""
    page_session = await _find_link(request)
    link = page_session.link
    if request.cookie(link.id) is not None and link.opened_at is not None:
        return request.redirect(PATHS[link.purpose] + link.id)
    check_unopened(link, request.af.clock())
    branding = page_branding(page_session.environment, page_session.branding)
    return request.render("link/start.html", purpose=link.purpose, branding=branding)


async def open_link(request: PageRequest) -> Response:
    """Open a link, binding it to this browser."""
    await _find_link(request)
    link, secret = await request.af.run(
        await request.af.page_sessions.prepare_open(request.af.store, request.ids[0])
    )
    seconds = max(1, (link.expires_at - request.af.clock()) // 1000)
    completed, cookies = await trusted_browser_cookie.accept(request, link, secret)
    page = PATHS[link.purpose] + link.id
    return request.redirect(
        (link.return_to if completed else None) or page,
        cookies=[Cookie(link.id, secret, seconds), *cookies],
        verdict=TRUSTED if completed else None,
    )


async def show_step(request: PageRequest) -> Response:
    """Show the enrollment or challenge page to the browser that opened the link."""
    page_session = await request.af.read(request.af.page_sessions.view(request.ids[0], request.page_secret()))
    _set_user_language(request, page_session)
    return _render_step(request, page_session)


async def submit_code(request: PageRequest) -> Response:
    """Check the submitted proof; a valid one redirects to the application, or first to the recovery codes."""
    code = await passkey_parts.proof(request)
    secret = request.page_secret()
    try:
        outcome = await request.af.run(request.af.page_sessions.verify(request.ids[0], secret, code))
    except errors.TooManyAttempts as error:
        page_session = await request.af.read(request.af.page_sessions.view(request.ids[0], secret))
        _set_user_language(request, page_session)
        return _render_locked(request, page_session, error)
    _set_user_language(request, outcome.page_session)
    cookies = []
    if outcome.verification is not None and outcome.verification.valid:
        cookies = await trusted_browser_cookie.trust(request, outcome.page_session, secret)
    return _render_outcome(request, outcome, cookies)


def _render_outcome(request: PageRequest, outcome: CodeOutcome, cookies: list[Cookie]) -> Response:
    page_session, verification = outcome
    if verification is not None and not verification.valid:
        return _render_step(request, page_session, verification)
    link = page_session.link
    here = PATHS[link.purpose] + link.id
    # The page that offers recovery codes leads on to `return_to`.
    return request.redirect(
        here if page_session.offers_codes else link.return_to or here,
        cookies=cookies,
        verdict=code_problems.verdict_of(verification),
    )


def _render_locked(
    request: PageRequest, page_session: PageSession, error: errors.TooManyAttempts
) -> Response:
    """Explain that no code is accepted now: for how long, or what to do."""
    return _render_step(request, page_session, problem=code_problems.locked(request, error), error=error)


def _render_step(
    request: PageRequest,
    page_session: PageSession,
    verification: Verification | None = None,
    *,
    problem: str | None = None,
    error: errors.TooManyAttempts | None = None,
) -> Response:
    """Render the page for a link's purpose, with the reason if a code was rejected."""
    link, factor = page_session.link, page_session.factor
    # Whether this link accepts no further code.
    ended = error is not None and error.locked_until is None
    verdict = None if error is None else LOCKED
    error_code = None if error is None else error.code
    if verification is not None:
        # Enrollment continues with a new challenge, so its attempts are not shown.
        problem = code_problems.rejected(request, verification, counts_down=link.purpose == "challenge")
        ended = _is_exhausted(link, verification)
        verdict = VERDICT_BY_REASON.get(verification.reason, WRONG)
        error_code = code_problems.error_code_of(verification)
    names: dict[str, Any] = {
        "link": link,
        "factor": factor,
        "branding": page_branding(page_session.environment, page_session.branding),
        "problem": problem,
        "ended": ended,
        "days_offered": days_offered(page_session),
        "error_code": error_code,
        "verdict": verdict,
    }
    if page_session.is_done:
        return request.render("link/done.html", offers_codes=page_session.offers_codes, **names)
    status = 200 if problem is None else 422
    names["form_target"] = link.return_to
    if link.purpose == "challenge":
        names |= passkey_parts.names(
            page_session.passkey_options, page_session.unknown_passkey, problem, verification
        )
        return request.render("link/challenge.html", status=status, **names)
    names |= setup_secret.names(request, page_session)
    names["offers_passkey"] = passkey_parts.are_usable(request, page_session)
    names["passkey_page"] = f"{PATHS[link.purpose]}{link.id}/passkey"
    return request.render("link/enroll.html", status=status, back=None, **names)


def _is_exhausted(link: LinkRecord, verification: Verification) -> bool:
    exhausted = verification.attempts_remaining == 0 and verification.locked_until is None
    return exhausted and link.purpose == "challenge"


async def _find_link(request: PageRequest) -> PageSession:
    page_session = await request.af.read(request.af.page_sessions.find(request.ids[0]))
    _set_user_language(request, page_session)
    return page_session


def _set_user_language(request: PageRequest, page_session: PageSession) -> None:
    request.default_language(page_session.user.locale)
