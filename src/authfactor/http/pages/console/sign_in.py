"""The set-up link of an operator, sign-in and sign-out."""

from typing import Final

from authfactor import errors
from authfactor.http import error_responses, refusal_timing
from authfactor.http.pages.console import shown_assertions
from authfactor.http.pages.console.console_request import (
    DEVICE_COOKIE,
    SESSION_COOKIE,
    ConsoleRequest,
    device_cookie,
    error_messages,
    expired_cookie,
    session_cookie,
)
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.models import Enrollment, Verification
from authfactor.rules.console.operator_set_up import SetUpLink, SetUpLinkRefused
from authfactor.rules.console.operator_sign_in import SignInForm
from authfactor.rules.console.operators import CONSOLE
from authfactor.store import Tx
from authfactor.webauthn.assertion_text import is_assertion

HOME: Final = "/console"
_CODE_PROBLEMS: Final = {
    "clock_drift": "This code is old. Check your phone's clock.",
    "code_malformed": "A code is six digits.",
}


async def show_sign_in(request: PageRequest, problem: errors.AuthfactorError | None = None) -> Response:
    """Show the form for email, password and code."""
    af = request.af
    token = request.cookie(SESSION_COOKIE)
    if token and problem is None and await af.operator_sign_in.context_of(af.store, token) is not None:
        return request.redirect(HOME)
    has_owner = await af.read(_has_owner)
    form = request.form() if problem else {}
    # Password and passkey have a page of their own: a form asks either for a code or for a passkey.
    is_second = is_assertion(form.get("code", "")) or request.query().get("with") == "password"
    return request.render(
        "console/sign_in.html",
        passkeys=True,
        passkey=await shown_assertions.for_sign_in(
            af, "second_step" if is_second else "sign_in", request.cookie(DEVICE_COOKIE)
        ),
        is_second=is_second,
        asked_field=shown_assertions.ASKED_FIELD,
        status=200 if problem is None else error_responses.status_of(problem),
        error_code=None if problem is None else problem.code,
        problems=[] if problem is None else error_messages(problem),
        languages={},
        locked_until=getattr(problem, "locked_until", None),
        now=af.clock(),
        email=form.get("email", ""),
        has_owner=has_owner,
        base_url_is_safe=af.settings.base_url_is_safe,
    )


async def sign_in(request: PageRequest) -> Response:
    """Check the credentials and start a session with a new token."""
    client = (CONSOLE.number, request.http_request.origin.address)
    return await refusal_timing.hold_refusals(request.af.settings, client, _sign_in(request))


async def _sign_in(request: PageRequest) -> Response:
    form = request.form()
    attempt = SignInForm(
        email=form.get("email", ""),
        password=form.get("password", ""),
        code=form.get("code", ""),
        asked_id=form.get(shown_assertions.ASKED_FIELD, ""),
        user_agent=user_agent(request),
        old_token=request.cookie(SESSION_COOKIE),
        device=request.cookie(DEVICE_COOKIE),
        origin=request.http_request.origin,
    )
    try:
        unit = await request.af.operator_sign_in.prepare_sign_in(request.af.store, attempt)
        started = await request.af.run(unit)
    except (
        errors.SignInRefused,
        errors.TooManyAttempts,
        errors.Unavailable,
        errors.InvalidRequest,
    ) as error:
        return await show_sign_in(request, error)
    return request.redirect(HOME, cookies=[session_cookie(started.token), device_cookie(started.device)])


async def sign_out(request: ConsoleRequest) -> Response:
    """End the session."""
    await request.af.run(
        request.af.operator_sign_in.sign_out(request.page_request.cookie(SESSION_COOKIE) or "")
    )
    return request.page_request.redirect("/console/sign-in", cookies=[expired_cookie()])


async def show_set_up(request: PageRequest, problem: errors.AuthfactorError | None = None) -> Response:
    """Show the form for a new operator's password and, with the first link, email."""
    opened = await _open_set_up_link(request)
    if isinstance(opened, Response):
        return opened
    fixed_email = opened.operator.email if opened.operator and not opened.link.first else ""
    return request.render(
        "console/set_up.html",
        status=200 if problem is None else error_responses.status_of(problem),
        error_code=None if problem is None else problem.code,
        problems=[] if problem is None else error_messages(problem),
        languages={},
        role=opened.operator.role if opened.operator else opened.link.role,
        fixed_email=fixed_email,
        email=fixed_email or request.form().get("email", ""),
        token=request.ids[0],
    )


async def begin_set_up(request: PageRequest) -> Response:
    """Store the password and show the QR code."""
    form = request.form()
    if form.get("password") != form.get("again"):
        mismatch = errors.Item("again", "passwords_differ", "The passwords do not match.")
        return await show_set_up(request, errors.InvalidRequest(mismatch))
    try:
        unit = await request.af.operator_set_up.prepare_set_up(
            request.af.store, request.ids[0], form.get("email", ""), form.get("password", "")
        )
        enrolled = await request.af.run(unit)
    except SetUpLinkRefused:
        return _show_invalid_link(request)
    except (errors.InvalidRequest, errors.Conflict, errors.Unavailable) as error:
        return await show_set_up(request, error)
    return _show_code(request, enrolled)


async def finish_set_up(request: PageRequest) -> Response:
    """Check the first code and start the first session."""
    af, origin = request.af, request.http_request.origin
    finish = af.operator_set_up.finish_set_up(request.ids[0], request.form().get("code", ""), origin)
    try:
        started = await af.run(
            af.operator_sign_in.finish_set_up(finish, None, user_agent(request), origin=origin)
        )
    except SetUpLinkRefused:
        return _show_invalid_link(request)
    except errors.TooManyAttempts as error:
        return _show_code(request, None, error)
    if isinstance(started, Verification):
        text = _CODE_PROBLEMS.get(started.reason or "", "This code is wrong.")
        return _show_code(request, None, errors.InvalidRequest(message=f"{text} Enter the current code."))
    return request.redirect(HOME, cookies=[session_cookie(started.token), device_cookie(started.device)])


def _show_code(
    request: PageRequest, enrolled: Enrollment | None, problem: errors.AuthfactorError | None = None
) -> Response:
    secret = enrolled.secret if enrolled else ""
    return request.render(
        "console/set_up_code.html",
        status=200 if problem is None else error_responses.status_of(problem),
        error_code=None if problem is None else problem.code,
        problems=[] if problem is None else error_messages(problem),
        languages={},
        qr_code=enrolled.qr_code if enrolled else None,
        uri=enrolled.uri if enrolled else None,
        groups=[secret[start : start + 4] for start in range(0, len(secret), 4)],
        token=request.ids[0],
    )


async def _open_set_up_link(request: PageRequest) -> SetUpLink | Response:
    try:
        return await request.af.read(request.af.operator_set_up.find_link(request.ids[0]))
    except SetUpLinkRefused:
        return _show_invalid_link(request)


def _show_invalid_link(request: PageRequest) -> Response:
    return request.render(
        "console/link_invalid.html", status=410, error_code=SetUpLinkRefused.code, languages={}
    )


def user_agent(request: PageRequest) -> str | None:
    """Return the browser's own description, or None."""
    return request.http_request.headers.get(b"user-agent", b"").decode("latin-1") or None


async def _has_owner(tx: Tx) -> bool:
    return any(item.role == "owner" and item.state == "active" for item in await tx.operators.all())
