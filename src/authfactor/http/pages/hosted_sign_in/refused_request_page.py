"""The answer to an authorization request whose client or redirect URI is not known: never a redirect.

RFC 6749 section 4.1.2.1. The page shows nothing of the request, which strangers may have written.
"""

from authfactor.errors import OAuthRefused
from authfactor.http import error_responses
from authfactor.http.accept import prefers_html
from authfactor.http.pages import templating
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.request import Request
from authfactor.http.response import Response


async def show(request: Request, refusal: OAuthRefused) -> Response:
    """Show a page with status 400, or the OAuth body to a client that prefers JSON."""
    if not prefers_html(request.headers.get(b"accept", b"")):
        return error_responses.render(refusal)
    await templating.load()
    page = PageRequest(request)
    return page.render_error(refusal)
