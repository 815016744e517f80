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
from authfactor.http.telemetry.shared_counters import VERDICT_BY_REASON
from authfactor.models import LinkRecord, Verification
from authfactor.otp import qr
from authfactor.rules.links.page_sessions import CodeOutcome, PageSession, check_unopened

PATHS: Final = {"enrollment": "/enroll/", "challenge": "/challenge/"}
GROUP: Final = 4


async def show_link(visit: PageRequest) -> Response:
    """Show the start page of a link, or go on where this browser was."""
    followed = await _look(visit)
    link = followed.link
    if visit.cookie(link.id) is not None and link.opened_at is not None:
        return visit.redirect(PATHS[link.purpose] + link.id)
    check_unopened(link, visit.af.clock())
    shown = page_branding(followed.environment, followed.branding)
    return visit.render("link/start.html", purpose=link.purpose, look=shown)


async def open_link(visit: PageRequest) -> Response:
    """Open a link: from now on only this browser may go on."""
    await _look(visit)
    link, secret = await visit.af.run(await visit.af.page_sessions.open(visit.af.store, visit.ids[0]))
    seconds = max(1, (link.expires_at - visit.af.clock()) // 1000)
    return visit.redirect(PATHS[link.purpose] + link.id, cookies=[Cookie(link.id, secret, seconds)])


async def show_step(visit: PageRequest) -> Response:
    """Show enrolment or challenge to the browser that opened the link."""
    followed = await visit.af.read(visit.af.page_sessions.view(visit.ids[0], _secret(visit)))
    _speak(visit, followed)
    return _step(visit, followed)


async def answer_step(visit: PageRequest) -> Response:
    """Check the code that was typed; a right one leads back to the application."""
    code = visit.form().get("code", "")
    secret = _secret(visit)
    try:
        answered = await visit.af.run(visit.af.page_sessions.answer(visit.ids[0], secret, code))
    except errors.TooManyAttempts as error:
        followed = await visit.af.read(visit.af.page_sessions.view(visit.ids[0], secret))
        _speak(visit, followed)
        visit.call.verdict = "locked"
        return _refused(visit, followed, error)
    _speak(visit, answered.followed)
    if answered.verification is not None:
        visit.call.verdict = VERDICT_BY_REASON[answered.verification.reason]
    return _answered(visit, answered)


def _answered(visit: PageRequest, answered: CodeOutcome) -> Response:
    followed, verification = answered
    if verification is not None and not verification.valid:
        return _step(visit, followed, verification)
    return visit.redirect(followed.link.return_to or PATHS[followed.link.purpose] + followed.link.id)


def _refused(visit: PageRequest, followed: PageSession, error: errors.TooManyAttempts) -> Response:
    """Say that no code is taken now: for how long, or what helps."""
    if error.locked_until is not None:
        wait = visit.words.duration(error.locked_until - visit.af.clock())
        problem = visit.words("code.locked", wait=wait)
    elif error.hard_stop:
        problem = visit.words("code.stopped")
    else:
        problem = visit.words("code.used_up")
    return _step(visit, followed, problem=problem, ended=error.locked_until is None)


def _step(
    visit: PageRequest,
    followed: PageSession,
    verification: Verification | None = None,
    *,
    problem: str | None = None,
    ended: bool = False,
) -> Response:
    """Render the page a link is for; `ended`: no further code will be taken."""
    link, factor = followed.link, followed.factor
    if verification is not None:
        problem, ended = _problem(visit, link, verification), _is_over(link, verification)
    names: dict[str, Any] = {
        "link": link,
        "factor": factor,
        "look": page_branding(followed.environment, followed.branding),
        "problem": problem,
        "ended": ended,
    }
    if followed.is_done:
        return visit.render("link/done.html", **names)
    status = 200 if problem is None else 422
    if link.purpose == "challenge":
        return visit.render("link/challenge.html", status=status, form_target=link.return_to, **names)
    secret = visit.af.page_sessions.secret_of(followed)
    groups = [secret.text[at : at + GROUP] for at in range(0, len(secret.text), GROUP)]
    return visit.render(
        "link/enroll.html",
        status=status,
        form_target=link.return_to,
        picture=qr.svg(qr.encode(secret.uri)),
        uri=secret.uri,
        groups=groups,
        **names,
    )


def _problem(visit: PageRequest, link: LinkRecord, verification: Verification) -> str:
    """Say in a sentence why a code was refused and what to do."""
    words, left = visit.words, verification.attempts_remaining
    if verification.locked_until is not None:
        return words("code.locked", wait=words.duration(verification.locked_until - visit.af.clock()))
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


async def _look(visit: PageRequest) -> PageSession:
    followed = await visit.af.read(visit.af.page_sessions.find(visit.ids[0]))
    _speak(visit, followed)
    return followed


def _speak(visit: PageRequest, followed: PageSession) -> None:
    visit.default_language(followed.user.locale)


def _secret(visit: PageRequest) -> str:
    """Return the page session's secret. Raises `LinkUnknown` in a browser that has none."""
    secret = visit.cookie(visit.ids[0])
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
