"""The page that a logout shows where it cannot redirect: nothing is configured, or the session is unknown."""

from authfactor.http.pages import templating
from authfactor.http.pages.page_branding import PageBranding, page_branding
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.models import Environment


async def show(request: Request, environment: Environment | None) -> Response:
    """Say that the browser is signed out, with the branding of the session's environment if it is known."""
    await templating.load()
    if environment is None:
        branding = PageBranding(request.af.settings.team_name, None, None)
    else:
        number = environment.number
        branding = page_branding(environment, await request.af.read(lambda tx: tx.brandings.of(number)))
    # No links to other languages: they would have to repeat the session's id.
    return PageRequest(request).render("logged_out.html", branding=branding, languages={})
