"""Logging out in a browser, with a redirect only to a URL of the session's own environment."""

from typing import Final
from urllib.parse import quote

import msgspec

from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.models import Environment
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.unit import Scope

# All other characters, line breaks above all, are percent-encoded in the Location header.
# Of the name of a hosted session's cookie.
COOKIE: Final = b"signed-in-"
URL_CHARACTERS: Final = "%/:?#[]@!$&'()*+,;=~-._"


async def log_out(request: Request, session_id: str, return_to: str | None) -> Response:
    """End the session if it is open, and redirect the browser, or show that it is signed out."""
    environment = await request.af.sessions.log_out(request.af.store, session_id)
    url = None if environment is None else _redirect_target(environment, return_to)
    if url is None:
        from authfactor.http.pages import logged_out_page  # noqa: PLC0415 - few logouts end on a page

        response = await logged_out_page.show(request, environment)
    else:
        response = Response(302, b"", ((b"location", quote(url, safe=URL_CHARACTERS).encode()),))
    if environment is None or COOKIE not in request.headers.get(b"cookie", b""):
        return response
    return await _without_hosted_session(request, environment, response)


async def _without_hosted_session(request: Request, environment: Environment, response: Response) -> Response:
    """Delete the cookie of a hosted session that has ended, which is not for any session id to decide."""
    from authfactor.http.pages.hosted_sign_in import sign_in_cookies  # noqa: PLC0415 - for browsers that have one

    number, now = environment.number, request.af.clock()
    secret, browsers = sign_in_cookies.read_browser_session(request, number), request.af.browser_sessions
    alive = await request.af.read(lambda tx: browsers.find(Scope(tx, environment, now), secret))
    if secret is None or alive is not None:
        return response
    deleted = sign_in_cookies.forget_browser_session(request, number)
    return msgspec.structs.replace(response, headers=(*response.headers, deleted))


def _redirect_target(environment: Environment, return_to: str | None) -> str | None:
    """Return `return_to` if it is on the environment's list, else the first of the list, if there is one."""
    allowed = options_of(environment).logout_redirects
    # Compared as a whole: a prefix matches `https://app.example.org.evil.example`.
    if return_to is not None and return_to in allowed:
        return return_to
    return allowed[0] if allowed else None
