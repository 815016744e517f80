"""The pages that a link leads to: a start page, then enrolment or challenge, until it is done.

`GET /link/{token}` only looks. Its button opens the link: a POST that binds it to a cookie of this browser
and goes on to an address without the token, which may be reloaded as long as the page session lasts.
"""

from typing import Any, Final

from authfactor import errors
from authfactor.http.pages.browser_security import Cookie
from authfactor.http.pages.page_branding import page_branding
from authfactor.http.pages.page_request import PageRequest, page
from authfactor.http.response import Response
from authfactor.http.telemetry.shared_counters import LOCKED, RIGHT, VERDICT_BY_REASON
from authfactor.models import LinkRecord, Verification
from authfactor.otp import qr
from authfactor.rules.authentication.sign_in import CODE_REFUSALS
from authfactor.rules.links.page_sessions import CodeOutcome, PageSession, check_unopened

PATHS: Final = {"enrollment": "/enroll/", "challenge": "/challenge/"}
GROUP: Final = 4


async def show_link(request: PageRequest) -> Response:
    """Show the start page of a link, or go on where this browser was."""
    followed = await _look(request)
    link = followed.link
    if request.cookie(link.id) is not None and link.opened_at is not None:
        return request.redirect(PATHS[link.purpose] + link.id)
    check_unopened(link, request.af.clock())
    shown = page_branding(followed.environment, followed.branding)
    return request.render("link/start.html", purpose=link.purpose, look=shown)


async def open_link(request: PageRequest) -> Response:
    """Open a link: from now on only this browser may go on."""
    await _look(request)
    link, secret = await request.af.run(
        await request.af.page_sessions.prepare_open(request.af.store, request.ids[0])
    )
    seconds = max(1, (link.expires_at - request.af.clock()) // 1000)
    return request.redirect(PATHS[link.purpose] + link.id, cookies=[Cookie(link.id, secret, seconds)])


async def show_step(request: PageRequest) -> Response:
    """Show enrolment or challenge to the browser that opened the link."""
    followed = await request.af.read(request.af.page_sessions.view(request.ids[0], _secret(request)))
    _speak(request, followed)
    return _step(request, followed)


async def answer_step(request: PageRequest) -> Response:
    """Check the code that was typed; a right one leads back to the application."""
    code = request.form().get("code", "")
    secret = _secret(request)
    try:
        answered = await request.af.run(request.af.page_sessions.verify(request.ids[0], secret, code))
    except errors.TooManyAttempts as error:
        followed = await request.af.read(request.af.page_sessions.view(request.ids[0], secret))
        _speak(request, followed)
        return _refused(request, followed, error)
    _speak(request, answered.page_session)
    return _answered(request, answered)


def _answered(request: PageRequest, answered: CodeOutcome) -> Response:
    followed, verification = answered
    if verification is not None and not verification.valid:
        return _step(request, followed, verification)
    return request.redirect(
        followed.link.return_to or PATHS[followed.link.purpose] + followed.link.id,
        verdict=None if verification is None else RIGHT,
    )


def _refused(request: PageRequest, followed: PageSession, error: errors.TooManyAttempts) -> Response:
    """Say that no code is taken now: for how long, or what helps."""
    if error.locked_until is not None:
        wait = request.words.duration(error.locked_until - request.af.clock())
        problem = request.words("code.locked", wait=wait)
    elif error.hard_stop:
        problem = request.words("code.stopped")
    else:
        problem = request.words("code.used_up")
    return _step(request, followed, problem=problem, error=error)


def _step(
    request: PageRequest,
    followed: PageSession,
    verification: Verification | None = None,
    *,
    problem: str | None = None,
    error: errors.TooManyAttempts | None = None,
) -> Response:
    """Render the page a link is for, with the reason why a code was refused if one was."""
    link, factor = followed.link, followed.factor
    # Whether no further code will be accepted here.
    ended = error is not None and error.locked_until is None
    verdict = None if error is None else LOCKED
    error_code = None if error is None else error.code
    if verification is not None:
        problem, ended = _problem(request, link, verification), _is_over(link, verification)
        verdict = VERDICT_BY_REASON[verification.reason]
        error_code = CODE_REFUSALS[verification.reason or "code_mismatch"][0]
    names: dict[str, Any] = {
        "link": link,
        "factor": factor,
        "look": page_branding(followed.environment, followed.branding),
        "problem": problem,
        "ended": ended,
        "error_code": error_code,
        "verdict": verdict,
    }
    if followed.is_done:
        return request.render("link/done.html", **names)
    status = 200 if problem is None else 422
    if link.purpose == "challenge":
        return request.render("link/challenge.html", status=status, form_target=link.return_to, **names)
    secret = request.af.page_sessions.secret_of(followed)
    groups = [secret.text[at : at + GROUP] for at in range(0, len(secret.text), GROUP)]
    return request.render(
        "link/enroll.html",
        status=status,
        form_target=link.return_to,
        picture=qr.svg(qr.encode(secret.uri)),
        uri=secret.uri,
        groups=groups,
        **names,
    )


def _problem(request: PageRequest, link: LinkRecord, verification: Verification) -> str:
    """Say in a sentence why a code was refused and what to do."""
    words, left = request.words, verification.attempts_remaining
    if verification.locked_until is not None:
        return words("code.locked", wait=words.duration(verification.locked_until - request.af.clock()))
    if _is_over(link, verification):
        return words("code.used_up")
    text = words(f"code.{verification.reason}")
    # Enrolling goes on with another challenge, so its tries are nobody's worry.
    if link.purpose == "challenge" and left:
        text = f"{text} {words('code.left', count=left)}"
    return text


def _is_over(link: LinkRecord, verification: Verification) -> bool:
    over = verification.attempts_remaining == 0 and verification.locked_until is None
    return over and link.purpose == "challenge"


async def _look(request: PageRequest) -> PageSession:
    followed = await request.af.read(request.af.page_sessions.find(request.ids[0]))
    _speak(request, followed)
    return followed


def _speak(request: PageRequest, followed: PageSession) -> None:
    request.default_language(followed.user.locale)


def _secret(request: PageRequest) -> str:
    """Return the page session's secret. Raises `LinkUnknown` in a browser that has none."""
    secret = request.cookie(request.ids[0])
    if not secret:
        raise errors.LinkUnknown
    return secret


ROUTES: Final = [
    page("GET", "/link/{token}", show_link, "Start page of a link"),
    page("POST", "/link/{token}", open_link, "Open a link"),
    page("GET", "/enroll/{link_id}", show_step, "Enrol in a factor"),
    page("POST", "/enroll/{link_id}", answer_step, "Confirm a factor"),
    page("GET", "/challenge/{link_id}", show_step, "Give a code"),
    page("POST", "/challenge/{link_id}", answer_step, "Check a code"),
]
