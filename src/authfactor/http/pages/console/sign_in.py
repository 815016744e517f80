"""Getting in and out: the set-up link, signing in, signing out."""

from authfactor import errors
from authfactor.http import error_responses
from authfactor.http.pages.console.console_request import (
    COOKIE,
    ConsoleRequest,
    error_messages,
    expired_cookie,
    operator_page,
    public_page,
    session_cookie,
)
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.models import Enrollment
from authfactor.rules.console.operator_sign_in import SignInForm, StartedSession
from authfactor.rules.console.operators import SetUpLink, SetUpLinkRefused
from authfactor.store import Tx

HOME = "/console"


async def show_sign_in(visit: PageRequest, problem: errors.AuthfactorError | None = None) -> Response:
    """Ask for email, password and code."""
    af = visit.af
    token = visit.cookie(COOKIE)
    if token and problem is None and await af.operator_sign_in.seat(af.store, token) is not None:
        return visit.redirect(HOME)
    any_owner = await af.read(_has_owner)
    return visit.render(
        "console/sign_in.html",
        status=200 if problem is None else error_responses.status_of(problem),
        problems=[] if problem is None else error_messages(problem),
        languages={},
        until=getattr(problem, "locked_until", None),
        now=af.clock(),
        email=visit.form().get("email", "") if problem else "",
        any_owner=any_owner,
        safe=af.settings.base_url_is_safe,
    )


async def sign_in(visit: PageRequest) -> Response:
    """Check them and start a session under a new token."""
    form = visit.form()
    attempt = SignInForm(
        email=form.get("email", ""),
        password=form.get("password", ""),
        code=form.get("code", ""),
        user_agent=_agent(visit),
        old_token=visit.cookie(COOKIE),
        origin=visit.call.origin,
    )
    try:
        unit = await visit.af.operator_sign_in.sign_in(visit.af.store, attempt)
        result: StartedSession | errors.SignInRefused = await visit.af.run(unit)
    except (errors.TooManyAttempts, errors.Unavailable) as error:
        return await show_sign_in(visit, error)
    if not isinstance(result, StartedSession):
        return await show_sign_in(visit, result)
    return visit.redirect(HOME, cookies=[session_cookie(result.token)])


async def sign_out(room: ConsoleRequest) -> Response:
    """End the session."""
    await room.af.run(room.af.operator_sign_in.sign_out(room.visit.cookie(COOKIE) or ""))
    return room.visit.redirect("/console/sign-in", cookies=[expired_cookie()])


async def show_set_up(visit: PageRequest, problem: errors.AuthfactorError | None = None) -> Response:
    """Ask a new operator for a password (and, for the first link, an email)."""
    opened = await _opened(visit)
    if isinstance(opened, Response):
        return opened
    known = opened.operator.email if opened.operator and not opened.link.first else ""
    return visit.render(
        "console/set_up.html",
        status=200 if problem is None else error_responses.status_of(problem),
        problems=[] if problem is None else error_messages(problem),
        languages={},
        role=opened.link.role,
        known=known,
        email=known or visit.form().get("email", ""),
        token=visit.ids[0],
    )


async def begin_set_up(visit: PageRequest) -> Response:
    """Keep the password and show the picture to scan."""
    form = visit.form()
    if form.get("password") != form.get("again"):
        mismatch = errors.Item("again", "passwords_differ", "The two passwords are not the same.")
        return await show_set_up(visit, errors.InvalidRequest(mismatch))
    try:
        unit = await visit.af.operators.begin(
            visit.af.store, visit.ids[0], form.get("email", ""), form.get("password", "")
        )
        enrolled = await visit.af.run(unit)
    except SetUpLinkRefused:
        return _spent(visit)
    except (errors.InvalidRequest, errors.Conflict, errors.Unavailable) as error:
        return await show_set_up(visit, error)
    return _show_code(visit, enrolled)


async def finish_set_up(visit: PageRequest) -> Response:
    """Check the first code and start the first session."""
    af = visit.af
    try:
        operator, outcome = await af.run(
            af.operators.finish(visit.ids[0], visit.form().get("code", ""), visit.call.origin)
        )
    except SetUpLinkRefused:
        return _spent(visit)
    except errors.TooManyAttempts as error:
        return _show_code(visit, None, error)
    if not outcome.valid:
        late = outcome.reason == "clock_drift"
        text = "This code is old. Check the clock of the phone." if late else "This code is not right."
        return _show_code(visit, None, errors.InvalidRequest(message=f"{text} Type the one shown now."))

    async def start(tx: Tx) -> StartedSession:
        origin = visit.call.origin
        return await af.operator_sign_in.start(tx, operator, None, _agent(visit), origin=origin)

    started = await af.run(start)
    return visit.redirect(HOME, cookies=[session_cookie(started.token)])


def _show_code(
    visit: PageRequest, enrolled: Enrollment | None, problem: errors.AuthfactorError | None = None
) -> Response:
    secret = enrolled.secret if enrolled else ""
    return visit.render(
        "console/set_up_code.html",
        status=200 if problem is None else error_responses.status_of(problem),
        problems=[] if problem is None else error_messages(problem),
        languages={},
        picture=enrolled.qr_code if enrolled else None,
        uri=enrolled.uri if enrolled else None,
        groups=[secret[at : at + 4] for at in range(0, len(secret), 4)],
        token=visit.ids[0],
    )


async def _opened(visit: PageRequest) -> SetUpLink | Response:
    try:
        return await visit.af.read(visit.af.operators.opened(visit.ids[0]))
    except SetUpLinkRefused:
        return _spent(visit)


def _spent(visit: PageRequest) -> Response:
    return visit.render("console/link_spent.html", status=410, languages={})


def _agent(visit: PageRequest) -> str | None:
    return visit.call.headers.get(b"user-agent", b"").decode("latin-1") or None


async def _has_owner(tx: Tx) -> bool:
    return any(item.role == "owner" and item.state == "active" for item in await tx.operators.all())


ROUTES = [
    public_page("GET", "/console/sign-in", show_sign_in, "Sign in to the console"),
    public_page("POST", "/console/sign-in", sign_in, "Sign in to the console"),
    operator_page("POST", "/console/sign-out", sign_out, "Sign out of the console"),
    public_page("GET", "/console/set-up/{token}", show_set_up, "Set up an operator"),
    public_page("POST", "/console/set-up/{token}", begin_set_up, "Set up an operator"),
    public_page("POST", "/console/set-up/{token}/code", finish_set_up, "Set up an operator"),
]
