"""The page on which people make an account with email and password."""

from authfactor import errors
from authfactor.http import refusal_timing
from authfactor.http.pages.hosted_sign_in.flow_responses import advance, in_flow, render, visit_of
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.rules.hosted_sign_in.sign_in_flows import OpenFlow


@in_flow
async def show(request: PageRequest) -> Response:
    """Ask for email and password."""
    opened = await request.af.read(request.af.flow_steps.sign_up.view(visit_of(request)))
    return _render(request, opened, opened.flow.email or "")


@in_flow
async def submit(request: PageRequest) -> Response:
    """Make the account, or sign in the user who has it, with the right password."""
    visit, steps, form = visit_of(request), request.af.flow_steps, request.form()
    email, password = form.get("email", ""), form.get("password", "")
    opened = await request.af.read(steps.sign_up.view(visit))

    async def sign_up() -> Response:
        unit = await steps.sign_up.prepare(request.af.store, visit, opened, email, password)
        return advance(request, await request.af.run(unit))

    client = opened.environment.number, visit.ip_address
    try:
        return await refusal_timing.hold_refusals(request.af.settings, client, sign_up())
    except errors.PasswordTooWeak as weak:
        code = weak.items[0].code
        return _render(request, opened, email, request.texts(f"sign_in.weak.{code}"), code)
    except errors.InvalidUserField as invalid:
        return _render(request, opened, email, request.texts("sign_in.email_invalid"), invalid.code)
    except errors.SignInRefused as refusal:
        name = "taken" if refusal.code == "invalid_credentials" else refusal.code
        return _render(request, opened, email, request.texts(f"sign_in.{name}"), refusal.code)


def _render(
    request: PageRequest,
    opened: OpenFlow,
    email: str,
    problem: str | None = None,
    error_code: str | None = None,
) -> Response:
    return render(
        request,
        "sign_up",
        opened,
        status=200 if problem is None else 422,
        error_code=error_code,
        email=email,
        problem=problem,
    )
