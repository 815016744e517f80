"""The first page of a flow: email and password, a passkey, or the account to go on as."""

from authfactor import errors
from authfactor.http import refusal_timing
from authfactor.http.pages import passkey_parts
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
from authfactor.models import Environment
from authfactor.rules.authentication.applied_policy import allows
from authfactor.rules.authentication.sign_in import PasswordHashChanged
from authfactor.rules.hosted_sign_in.flow_choices import FlowState
from authfactor.rules.hosted_sign_in.flow_progress import FlowVisit
from authfactor.rules.hosted_sign_in.mailed_code_step import mails_codes
from authfactor.rules.hosted_sign_in.mailed_link_pages import mails_resets

OTHER_ACCOUNT = "other"


@in_flow
async def show(request: PageRequest) -> Response:
    """Show the first page, or redirect to the page of the step that the flow is at."""
    state = await request.af.run(request.af.flow_steps.choices.view(visit_of(request)))
    if state.page != "sign_in":
        return request.redirect(path_of(request, state.page))
    if state.opened.flow.request.screen_hint == "sign-up" and state.offers_sign_up and not request.query():
        return request.redirect(f"{home(request)}/sign-up")
    if state.offers_account and request.query().get("account") != OTHER_ACCOUNT:
        return render(request, "account", state.opened, signed_in=state.signed_in)
    return _render(request, state, state.opened.flow.email or "")


@in_flow
async def submit(request: PageRequest) -> Response:
    """Check email and password, or the response of a passkey."""
    form, visit = request.form(), visit_of(request)
    by_passkey, email = bool(form.get("credential")), form.get("email", "")
    flows = request.af.sign_in_flows
    opened = await request.af.read(flows.load(visit.flow_id, visit.secret))
    client = opened.environment.number, visit.ip_address
    check = _check_passkey if by_passkey else _check_password
    try:
        # Not held here for a passkey, whose refusal tells nothing about an email.
        checking = check(request, visit, opened.environment)
        if by_passkey:
            return await checking
        return await refusal_timing.hold_refusals(request.af.settings, client, checking)
    except errors.SignInRefused as refusal:
        return await _render_refused(request, visit, email, refusal, by_passkey=by_passkey)


async def _check_password(request: PageRequest, visit: FlowVisit, environment: Environment) -> Response:
    form, steps, store = request.form(), request.af.flow_steps, request.af.store
    given = visit, environment, form.get("email", ""), form.get("password", "")
    try:
        result = await request.af.run(await steps.passwords.prepare(store, *given))
    except PasswordHashChanged:
        # A concurrent sign-in has probably upgraded an imported hash; retry once with the new one.
        result = await request.af.run(await steps.passwords.prepare(store, *given))
    return advance(request, result)


async def _check_passkey(request: PageRequest, visit: FlowVisit, environment: Environment) -> Response:
    form, steps = request.form(), request.af.flow_steps
    given = form.get("authentication_id", ""), form["credential"]
    prepared = await steps.passkeys.prepare(request.af.store, visit, environment, *given)
    return advance(request, await request.af.run(prepared))


async def _render_refused(
    request: PageRequest, visit: FlowVisit, email: str, refusal: errors.SignInRefused, *, by_passkey: bool
) -> Response:
    """Render the page again. What it says depends on nothing but the refusal's code."""
    state = await request.af.run(request.af.flow_steps.choices.view(visit))
    if by_passkey:
        problem = request.texts("sign_in.passkey_refused")
        return _render(request, state, email, passkey_problem=problem, error_code=refusal.code)
    return _render(
        request, state, email, problem=request.texts(f"sign_in.{refusal.code}"), error_code=refusal.code
    )


def _render(
    request: PageRequest,
    state: FlowState,
    email: str,
    *,
    problem: str | None = None,
    passkey_problem: str | None = None,
    error_code: str | None = None,
) -> Response:
    environment = state.opened.environment
    asked = request.af.flow_steps.passkeys.begin(environment)
    return render(
        request,
        "sign_in",
        state.opened,
        status=200 if error_code is None else 422,
        error_code=error_code,
        passkeys=asked is not None,
        email=email,
        reauthenticates=state.reauthenticates,
        takes_password=allows(environment, "password"),
        mails_codes=mails_codes(environment),
        mails_resets=mails_resets(environment),
        offers_sign_up=state.offers_sign_up,
        signs_up_by_mail=state.may_sign_up and not state.offers_sign_up,
        problem=problem,
        passkey_problem=passkey_problem,
        authentication_id=None if asked is None else asked.id,
        passkey=None if asked is None else passkey_parts.as_json(asked.public_key),
    )
