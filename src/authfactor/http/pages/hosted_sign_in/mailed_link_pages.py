"""The pages that lead to mailed links, and those behind them: a new password, an invitation."""

from authfactor import errors
from authfactor.email_errors import NewPasswordRefused, ResetTokenUnknown, SignInMethodOff
from authfactor.http import refusal_timing
from authfactor.http.pages.browser_security import Cookie
from authfactor.http.pages.hosted_sign_in.flow_responses import home, in_flow, render, visit_of
from authfactor.http.pages.hosted_sign_in.sign_in_cookies import INVITATION_SECONDS, invitation_cookie
from authfactor.http.pages.page_branding import page_branding
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.rules.hosted_sign_in.mailed_link_pages import LinkedPage
from authfactor.rules.tenants.environments import options_of

SENT = "sent"


@in_flow
async def show_forgotten(request: PageRequest) -> Response:
    """Ask for the email whose password is forgotten, or say that mail is on its way."""
    opened = await request.af.read(request.af.flow_steps.mailed_links.view_forgotten(visit_of(request)))
    sent = SENT in request.query()
    return render(request, "forgotten", opened, email=opened.flow.email or "", sent=sent)


@in_flow
async def ask_for_reset(request: PageRequest) -> Response:
    """Mail a link: the same answer for every email, at the same time."""
    visit, links = visit_of(request), request.af.flow_steps.mailed_links
    opened = await request.af.read(links.view_forgotten(visit))

    async def ask() -> Response:
        await links.ask(request.af.store, visit, request.form().get("email", ""))
        return request.redirect(f"{home(request)}/forgotten?{SENT}=1")

    client = opened.environment.number, visit.ip_address
    return await refusal_timing.hold(request.af.settings, client, ask())


async def show_reset(request: PageRequest) -> Response:
    """Ask for a new password. The link stays good until the form is sent."""
    token = request.query().get("token", "")
    return _render_reset(request, token, await _find_reset(request, token))


async def reset(request: PageRequest) -> Response:
    """Set the new password."""
    form, links = request.form(), request.af.flow_steps.mailed_links
    token, password = form.get("token", ""), form.get("password", "")
    page = await _find_reset(request, token)
    if not password:
        return _render_reset(request, token, page, "password_too_short")
    try:
        await request.af.run(await links.prepare_reset(request.af.store, page, token, password))
    except NewPasswordRefused as weak:
        return _render_reset(request, token, page, weak.items[0].code)
    except (ResetTokenUnknown, SignInMethodOff):
        raise errors.LinkUnknown from None
    return _render(request, "reset_done", page)


async def _find_reset(request: PageRequest, token: str) -> LinkedPage:
    """Return the page of an open reset. Raises `LinkUnknown`, which does not repeat the token."""
    try:
        return await request.af.read(request.af.flow_steps.mailed_links.find_reset(token))
    except ResetTokenUnknown:
        raise errors.LinkUnknown from None


def _render_reset(request: PageRequest, token: str, page: LinkedPage, weak: str | None = None) -> Response:
    problem = None if weak is None else request.texts(f"sign_in.weak.{weak}")
    return _render(request, "reset", page, token=token, problem=problem, error_code=weak)


async def show_invitation(request: PageRequest) -> Response:
    """Say who invites. The invitation is accepted with the sign-in that follows."""
    token = request.query().get("invitation_token", "")
    return _render(request, "invitation", await _find_invitation(request, token), token=token)


async def accept_invitation(request: PageRequest) -> Response:
    """Keep the invitation in this browser, and send it to where the application begins a sign-in."""
    token = request.form().get("invitation_token", "")
    page = await _find_invitation(request, token)
    cookies = [Cookie(invitation_cookie(page.environment.number), token, INVITATION_SECONDS)]
    url = options_of(page.environment).sign_in_url
    if url is not None:
        return request.redirect(url, cookies=cookies)
    return _render(request, "invitation_kept", page, cookies=cookies)


async def _find_invitation(request: PageRequest, token: str) -> LinkedPage:
    try:
        return await request.af.read(request.af.flow_steps.mailed_links.find_invitation(token))
    except errors.OAuthRefused:
        raise errors.LinkUnknown from None


def _render(
    request: PageRequest,
    template: str,
    page: LinkedPage,
    *,
    cookies: list[Cookie] | None = None,
    error_code: str | None = None,
    **names: object,
) -> Response:
    # A language link would have to repeat the token.
    return request.render(
        f"sign_in/{template}.html",
        status=200 if error_code is None else 422,
        error_code=error_code,
        cookies=cookies or (),
        form_target=options_of(page.environment).sign_in_url,
        branding=page_branding(page.environment, page.branding),
        sign_in_url=options_of(page.environment).sign_in_url,
        languages={},
        **names,  # type: ignore[arg-type]  # of the template and of `render`
    )
