"""The cookies of hosted sign-in: of one flow, and of the hosted session of one environment.

A flow's cookie is sent to the pages of that flow alone, so that many flows do not fill the requests of other
pages. The path rules out `__Host-`; a cookie that another site of the domain plants there is one of a flow
that the visitor did not begin, whose secret changes with the first proof.
"""

from typing import Final

from authfactor.http.pages.browser_security import Cookie, cookie, read_cookie
from authfactor.http.request import Request
from authfactor.rules.hosted_sign_in.sign_in_flows import LIFE_MS
from authfactor.settings import is_loopback

PAGES: Final = "/sign-in"
# How long a browser may take from the invitation to the sign-in.
INVITATION_SECONDS: Final = 3600
_FLOW: Final = "sign-in"
Header = tuple[bytes, bytes]


def flow_path(flow_id: str) -> str:
    """Return the path of a flow's first page, and the prefix of the paths of all."""
    return f"{PAGES}/{flow_id}"


def set_flow(request: Request, flow_id: str, secret: str) -> Header:
    """Return the header that sets a flow's cookie."""
    base_url = request.af.settings.base_url
    parts = [
        f"{_flow_name(base_url)}={secret}",
        f"Path={flow_path(flow_id)}",
        f"Max-Age={LIFE_MS // 1000}",
        "HttpOnly",
        "SameSite=Lax",
    ]
    if not is_loopback(base_url):
        parts.append("Secure")
    return b"set-cookie", "; ".join(parts).encode("latin-1")


def read_flow(request: Request) -> str | None:
    """Return the secret of the flow whose page is requested, or None."""
    wanted = _flow_name(request.af.settings.base_url)
    for pair in request.headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == wanted:
            return value
    return None


def set_browser_session(request: Request, environment: int, secret: str) -> Header:
    """Return the header that sets the cookie of an environment's hosted session."""
    settings = request.af.settings
    return cookie(Cookie(_session_name(environment), secret, settings.session_life), settings.base_url)


def forget_browser_session(request: Request, environment: int) -> Header:
    """Return the header that deletes it."""
    return cookie(Cookie(_session_name(environment), "", 0), request.af.settings.base_url)


def invitation_cookie(environment: int) -> str:
    """Return the name of the cookie of an invitation that the browser has opened."""
    return f"invitation-{environment}"


def keep_invitation(request: Request, environment: int, token: str) -> Header:
    """Return the header that keeps an invitation of an environment for the sign-in that follows."""
    kept = Cookie(invitation_cookie(environment), token, INVITATION_SECONDS)
    return cookie(kept, request.af.settings.base_url)


def read_browser_session(request: Request, environment: int) -> str | None:
    """Return the secret of the environment's hosted session, or None."""
    return read_cookie(request.headers, _session_name(environment), request.af.settings.base_url)


def _flow_name(base_url: str) -> str:
    return _FLOW if is_loopback(base_url) else f"__Secure-{_FLOW}"


def _session_name(environment: int) -> str:
    return f"signed-in-{environment}"
