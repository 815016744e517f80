"""The endpoint that browsers are sent to for signing in (contract section 2)."""

import re
from typing import Final

from authfactor import errors
from authfactor.errors import OAuthRefused
from authfactor.http.pages.hosted_sign_in import refused_request_page, sign_in_cookies
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.models import ApiCaller
from authfactor.rules.hosted_sign_in.authorization_requests import read_query

TAG: Final = "sign-in"
MAX_STORED: Final = 500
_INVITATION: Final = re.compile(r"[A-Za-z0-9]{1,64}")


async def authorize(request: Request) -> Response:
    """Redirect to the application with a code, or to the sign-in pages."""
    query = read_query(request.query_string)
    client_id, uri = query.values.get("client_id", ""), query.values.get("redirect_uri", "")
    if not client_id or not uri or query.repeated & {"client_id", "redirect_uri"}:
        text = "client_id and redirect_uri are required, each of them once."
        return await refused_request_page.show(request, OAuthRefused("invalid_request", text))
    try:
        environment = await request.af.read(request.af.environments.by_client_id(client_id))
    except errors.NotFound:
        refusal = OAuthRefused("invalid_request", "There is no such client.")
        return await refused_request_page.show(request, refusal)
    request.caller = ApiCaller(environment, client_id)
    authorizations = request.af.authorizations
    if not await request.af.read(authorizations.accepts(environment, uri)):
        text = "redirect_uri is not on the list of this client."
        return await refused_request_page.show(request, OAuthRefused("invalid_redirect_uri", text))
    agent = request.headers.get(b"user-agent", b"").decode("latin-1")[:MAX_STORED]
    begun = await request.af.run(
        authorizations.begin(
            environment,
            query,
            cookie=sign_in_cookies.read_browser_session(request, environment.number),
            ip_address=request.origin.address,
            user_agent=agent.replace("\0", "") or None,
        )
    )
    if begun.started is None:
        return Response(302, b"", ((b"location", (begun.location or "").encode()),))
    flow, secret = begun.started
    location = b"location", sign_in_cookies.flow_path(flow.id).encode()
    cookies = [sign_in_cookies.set_flow(request, flow.id, secret)]
    invitation = query.values.get("invitation_token", "")
    if _INVITATION.fullmatch(invitation):
        # Accepted with the sign-in, as one that the browser has opened.
        cookies.append(sign_in_cookies.keep_invitation(request, environment.number, invitation))
    return Response(302, b"", (location, *cookies))


ROUTES = [
    Route(
        "GET",
        "/user_management/authorize",
        authorize,
        302,
        "Begin a sign-in in a browser",
        query=(
            *("client_id", "redirect_uri", "response_type", "provider", "state", "code_challenge"),
            *("code_challenge_method", "screen_hint", "login_hint", "prompt", "max_age"),
        ),
        refusals=(400,),
        needs_key=False,
        tag=TAG,
    ),
]
