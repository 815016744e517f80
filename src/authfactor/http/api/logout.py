"""Logging out in a browser, with a redirect only to a URL of the session's own environment."""

from typing import Final
from urllib.parse import quote

from authfactor.http.pages import logged_out_page
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.models import Environment
from authfactor.rules.tenants.environments import options_of

# All other characters, line breaks above all, are percent-encoded in the Location header.
URL_CHARACTERS: Final = "%/:?#[]@!$&'()*+,;=~-._"


async def log_out(request: Request, session_id: str, return_to: str | None) -> Response:
    """End the session if it is open, and redirect the browser, or show that it is signed out."""
    environment = await request.af.sessions.log_out(request.af.store, session_id)
    url = None if environment is None else _redirect_target(environment, return_to)
    if url is None:
        return await logged_out_page.show(request, environment)
    return Response(302, b"", ((b"location", quote(url, safe=URL_CHARACTERS).encode()),))


def _redirect_target(environment: Environment, return_to: str | None) -> str | None:
    """Return `return_to` if it is on the environment's list, else the first of the list, if there is one."""
    allowed = options_of(environment).logout_redirects
    # Compared as a whole: a prefix matches `https://app.example.org.evil.example`.
    if return_to is not None and return_to in allowed:
        return return_to
    return allowed[0] if allowed else None
