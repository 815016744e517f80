"""The answer to an authorization request whose client or redirect URI is not known: never a redirect.

RFC 6749 section 4.1.2.1. The page shows nothing of the request, which strangers may have written.
"""

from authfactor.http.accept import prefers_html
from authfactor.http.pages import templating
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.wire import responses


async def show(request: Request, error: str, description: str) -> Response:
    """Show a page with status 400, or the OAuth body to a client that prefers JSON."""
    if not prefers_html(request.headers.get(b"accept", b"")):
        return Response(400, responses.encode(responses.OAuthErrorBody(error, description)), code=error)
    await templating.load()
    page = PageRequest(request)
    title, text = page.texts(f"errors.{error}.title"), page.texts(f"errors.{error}.text")
    return page.render("error.html", status=400, error_code=error, title=title, text=text, reference=None)
