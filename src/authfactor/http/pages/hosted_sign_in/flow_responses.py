"""What the sign-in pages have in common: who asks, what every page shows, and where a step leads."""

import functools
from typing import Final

import msgspec

from authfactor.http.pages import trusted_browser_cookie
from authfactor.http.pages.browser_security import Cookie
from authfactor.http.pages.hosted_sign_in import sign_in_cookies
from authfactor.http.pages.page_branding import page_branding
from authfactor.http.pages.page_request import PageHandler, PageRequest
from authfactor.http.response import Response
from authfactor.models.hosted_sign_in import SignInFlow
from authfactor.rules.hosted_sign_in.flow_progress import FlowAdvance, FlowPage, FlowVisit
from authfactor.rules.hosted_sign_in.flow_refusals import (
    FlowCompleted,
    FlowExpired,
    FlowIncomplete,
    FlowUnknown,
)
from authfactor.rules.hosted_sign_in.sign_in_flows import CompletedFlow, OpenFlow

# Clients give up after ten minutes (question 6 of the contract): say so while there is time to start again.
EXPIRES_SOON_MS: Final = 60_000
MAX_STORED: Final = 500
_PATHS: Final[dict[FlowPage, str]] = {
    "sign_in": "",
    "verify": "/verify",
    "code": "/code",
    "enroll": "/enroll",
    "finish": "/finish",
}


def in_flow(handler: PageHandler) -> PageHandler:
    """Redirect to the step that the flow is at if it is another one; show a page if the flow has ended."""

    @functools.wraps(handler)
    async def respond(request: PageRequest) -> Response:
        try:
            return await handler(request)
        except FlowIncomplete:
            return request.redirect(home(request))
        except (FlowCompleted, FlowExpired) as refusal:
            return _render_refusal(request, refusal.code, refusal.sign_in_url, 410)
        except FlowUnknown as refusal:
            return _render_refusal(request, refusal.code, None, 404)

    return respond


def _render_refusal(request: PageRequest, code: str, sign_in_url: str | None, status: int) -> Response:
    title, text = request.texts(f"errors.{code}.title"), request.texts(f"errors.{code}.text")
    return request.render(
        "sign_in/refused.html",
        status=status,
        error_code=code,
        title=title,
        text=text,
        sign_in_url=sign_in_url,
    )


def visit_of(request: PageRequest) -> FlowVisit:
    """Return who asks. Raises `FlowUnknown` without the flow's cookie."""
    secret = sign_in_cookies.read_flow(request.http_request)
    if not secret:
        raise FlowUnknown
    agent = request.http_request.headers.get(b"user-agent", b"").decode("latin-1")[:MAX_STORED]
    return FlowVisit(
        request.ids[0],
        secret,
        request.http_request.origin.address,
        agent.replace("\0", "") or None,
        lambda user_id: request.cookie(trusted_browser_cookie.cookie_name(user_id)),
        lambda number: request.cookie(sign_in_cookies.invitation_cookie(number)),
    )


def home(request: PageRequest) -> str:
    """Return the path of the flow's first page. The flow must be known: its id is ASCII then."""
    return sign_in_cookies.flow_path(request.ids[0])


def path_of(request: PageRequest, page: FlowPage) -> str:
    """Return the path of a page of the flow."""
    return home(request) + _PATHS[page]


def render(request: PageRequest, template: str, opened: OpenFlow, **names: object) -> Response:
    """Render a template of the sign-in pages with what all of them show, in the user's language."""
    if opened.user is not None:
        request.default_language(opened.user.locale)
    return request.render(
        f"sign_in/{template}.html",
        branding=page_branding(opened.environment, opened.branding),
        home=home(request),
        user=opened.user,
        form_target=opened.flow.request.redirect_uri,
        expires_soon=_expires_soon(request, opened.flow),
        sign_in_url=opened.sign_in_url,
        **names,  # type: ignore[arg-type]  # of the template and of `render`
    )


def _expires_soon(request: PageRequest, flow: SignInFlow) -> bool:
    return flow.expires_at - request.af.clock() <= EXPIRES_SOON_MS


def advance(request: PageRequest, result: FlowAdvance, verdict: str | None = None) -> Response:
    """Redirect to where a step has led: to the application, or to the next page."""
    user = result.opened.user
    cookies = []
    if user is not None and result.device is not None:
        cookies.append(trusted_browser_cookie.next_cookie(request, user.id, result.device))
    elif user is not None and result.forgets_device:
        cookies.append(Cookie(trusted_browser_cookie.cookie_name(user.id), "", 0))
    if result.completed is not None:
        if result.opened.invitation_token is not None:
            name = sign_in_cookies.invitation_cookie(result.opened.environment.number)
            cookies.append(Cookie(name, "", 0))
        response = _leave(request, result.opened, result.completed)
    else:
        response = request.redirect(path_of(request, result.page))
        if result.secret is not None:
            header = sign_in_cookies.set_flow(request.http_request, request.ids[0], result.secret)
            response = _with_headers(response, header)
    for header in request.set_cookie_headers(cookies):
        response = _with_headers(response, header)
    return msgspec.structs.replace(response, verdict=verdict)


def _leave(request: PageRequest, opened: OpenFlow, completed: CompletedFlow) -> Response:
    """Redirect to the application, with the cookie of the hosted session."""
    response = request.redirect(completed.location)
    if completed.browser_secret is not None:
        number = opened.environment.number
        header = sign_in_cookies.set_browser_session(request.http_request, number, completed.browser_secret)
        response = _with_headers(response, header)
    # Neither the code nor the state leaves in a `Referer`.
    return _with_headers(response, (b"referrer-policy", b"no-referrer"))


def _with_headers(response: Response, *headers: tuple[bytes, bytes]) -> Response:
    return msgspec.structs.replace(response, headers=(*response.headers, *headers))
