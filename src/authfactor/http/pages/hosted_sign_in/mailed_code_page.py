"""The pages of a mailed code: instead of the password, and to verify the email after it."""

from authfactor import errors
from authfactor.http import refusal_timing
from authfactor.http.pages.hosted_sign_in.flow_responses import (
    advance,
    home,
    in_flow,
    path_of,
    render,
    visit_of,
)
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.http.telemetry.shared_counters import LOCKED, VERDICT_BY_REASON
from authfactor.rules.hosted_sign_in.flow_refusals import FlowIncomplete
from authfactor.rules.hosted_sign_in.mailed_code_step import mails_codes
from authfactor.rules.hosted_sign_in.sign_in_flows import OpenFlow

_LOCKED = "one_time_code_too_many_attempts"


@in_flow
async def send(request: PageRequest) -> Response:
    """Mail a code, and go on to where it is typed: the same for every email, at the same time."""
    visit, steps = visit_of(request), request.af.flow_steps
    email = request.form().get("email", "")

    async def send_it() -> Response:
        await steps.mailed_codes.send(request.af.store, visit, email)
        return request.redirect(f"{home(request)}/email-code")

    opened = await request.af.read(request.af.sign_in_flows.load(visit.flow_id, visit.secret))
    client = opened.environment.number, visit.ip_address
    return await refusal_timing.hold(request.af.settings, client, send_it())


@in_flow
async def show(request: PageRequest) -> Response:
    """Ask for the code that was mailed to the flow's email."""
    return await _render(request)


@in_flow
async def submit(request: PageRequest) -> Response:
    """Check the code that was mailed to the flow's email."""
    visit, code = visit_of(request), request.form().get("code", "")
    opened = await request.af.read(request.af.sign_in_flows.load(visit.flow_id, visit.secret))

    async def check() -> Response:
        return advance(request, await request.af.run(request.af.flow_steps.mailed_codes.check(visit, code)))

    client = opened.environment.number, visit.ip_address
    try:
        return await refusal_timing.hold_refusals(request.af.settings, client, check())
    except errors.SignInRefused as refusal:
        return await _render(request, refusal)


async def _render(request: PageRequest, refusal: errors.SignInRefused | None = None) -> Response:
    visit = visit_of(request)
    opened = await request.af.read(request.af.sign_in_flows.load(visit.flow_id, visit.secret))
    if not mails_codes(opened.environment) or not opened.flow.email:
        raise FlowIncomplete
    return _render_code(request, opened, opened.flow.email, "email-code", refusal)


@in_flow
async def show_verification(request: PageRequest) -> Response:
    """Ask for the code that was mailed after the password."""
    return await _render_verification(request)


@in_flow
async def verify(request: PageRequest) -> Response:
    """Check the code that verifies the email."""
    visit, code = visit_of(request), request.form().get("code", "")
    try:
        result = await request.af.run(request.af.flow_steps.mailed_codes.verify(visit, code))
    except errors.SignInRefused as refusal:
        return await _render_verification(request, refusal)
    return advance(request, result)


@in_flow
async def resend(request: PageRequest) -> Response:
    """Mail another code to verify the email."""
    try:
        result = await request.af.run(request.af.flow_steps.mailed_codes.resend(visit_of(request)))
    except errors.SendLimitReached as limit:
        problem = request.texts("sign_in.mail_limit")
        return await _render_verification(request, problem=problem, error_code=limit.code)
    return request.redirect(path_of(request, result.page))


async def _render_verification(
    request: PageRequest,
    refusal: errors.SignInRefused | None = None,
    *,
    problem: str | None = None,
    error_code: str | None = None,
) -> Response:
    opened = await request.af.run(request.af.flow_steps.mailed_codes.view_verification(visit_of(request)))
    email = "" if opened.user is None else opened.user.email
    return _render_code(request, opened, email, "verify", refusal, problem=problem, error_code=error_code)


def _render_code(
    request: PageRequest,
    opened: OpenFlow,
    email: str,
    step: str,
    refusal: errors.SignInRefused | None,
    *,
    problem: str | None = None,
    error_code: str | None = None,
) -> Response:
    verdict = None
    if refusal is not None:
        problem, error_code = request.texts(f"sign_in.mailed.{refusal.code}"), refusal.code
        verdict = LOCKED if refusal.code == _LOCKED else VERDICT_BY_REASON[refusal.reason or "code_mismatch"]
    return render(
        request,
        "mailed_code",
        opened,
        status=200 if problem is None else 422,
        verdict=verdict,
        error_code=error_code,
        email=email,
        step=step,
        problem=problem,
    )
