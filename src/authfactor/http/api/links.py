"""The endpoints of links and branding: parse, make one call, render."""

from collections.abc import Callable

from authfactor.http.pages import page_branding
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Handler, Route
from authfactor.models import BrandingRecord, LinkPurpose
from authfactor.rules.links.links import IssuedLink
from authfactor.wire import links
from authfactor.wire.requests import RequestModel

TAG = "links to pages"


async def create_enrollment_link(request: Request) -> Response:
    """Create a link to the enrollment page."""
    body = request.read_body(links.CreateEnrollmentLink)
    return await request.write(
        request.af.links.create_enrollment(request.environment, body), _issued(request)
    )


async def get_enrollment_link(request: Request) -> Response:
    """Get an enrollment link and its state."""
    return await _get(request, "enrollment")


async def create_challenge_link(request: Request) -> Response:
    """Create a link to the challenge page."""
    body = request.read_body(links.CreateChallengeLink)
    return await request.write(request.af.links.create_challenge(request.environment, body), _issued(request))


async def get_challenge_link(request: Request) -> Response:
    """Get a challenge link and its state."""
    return await _get(request, "challenge")


async def create_factors_link(request: Request) -> Response:
    """Create a link to the factors page."""
    body = request.read_body(links.CreateFactorsLink)
    return await request.write(request.af.links.create_factors(request.environment, body), _issued(request))


async def get_factors_link(request: Request) -> Response:
    """Get a link to the factors page and its state."""
    return await _get(request, "factors")


async def get_branding(request: Request) -> Response:
    """Get the branding of the pages for users."""
    return await request.read(
        request.af.brandings.get(request.environment), lambda branding: _branding(request, branding)
    )


async def update_branding(request: Request) -> Response:
    """Update the branding of the pages for users."""
    unit = request.af.brandings.update(request.environment, request.read_body(links.UpdateBranding))
    return await request.administer(
        unit, lambda branding: _branding(request, branding), "branding.update", request.environment.client_id
    )


async def _get(request: Request, purpose: LinkPurpose) -> Response:
    unit = request.af.links.get(request.environment, purpose, request.ids[0])
    return await request.read(unit, lambda link: links.link(link, request.af.clock()))


def _issued(request: Request) -> Callable[[IssuedLink], links.Link]:
    def render(issued: IssuedLink) -> links.Link:
        return links.link(issued.link, request.af.clock(), issued.url)

    return render


def _branding(request: Request, branding: BrandingRecord | None) -> links.Branding:
    path = page_branding.page_branding(request.environment, branding).logo
    base = request.af.settings.base_url.rstrip("/")
    return links.branding(branding, None if path is None else f"{base}{path}")


def _link_routes(
    path: str, what: str, create: Handler, get: Handler, takes: type[RequestModel], gives: type[links.Link]
) -> list[Route]:
    """Return the routes of one kind of link."""
    return [
        Route(
            "POST",
            path,
            create,
            201,
            f"Create {what}",
            takes=takes,
            requires=("user_id",),
            gives=gives,
            refusals=(404, 409, 422),
            tag=TAG,
        ),
        Route("GET", f"{path}/{{link_id}}", get, 200, f"Get {what}", gives=gives, refusals=(404,), tag=TAG),
    ]


ROUTES = [
    *_link_routes(
        "/authfactor/enrollment_links",
        "an enrollment link",
        create_enrollment_link,
        get_enrollment_link,
        links.CreateEnrollmentLink,
        links.EnrollmentLink,
    ),
    *_link_routes(
        "/authfactor/challenge_links",
        "a challenge link",
        create_challenge_link,
        get_challenge_link,
        links.CreateChallengeLink,
        links.ChallengeLink,
    ),
    *_link_routes(
        "/authfactor/factors_links",
        "a link to the factors page",
        create_factors_link,
        get_factors_link,
        links.CreateFactorsLink,
        links.FactorsLink,
    ),
    Route(
        "GET",
        "/authfactor/branding",
        get_branding,
        200,
        "Get the branding of pages",
        gives=links.Branding,
        tag=TAG,
    ),
    Route(
        "PUT",
        "/authfactor/branding",
        update_branding,
        200,
        "Update the branding of pages",
        takes=links.UpdateBranding,
        gives=links.Branding,
        refusals=(422,),
        tag=TAG,
    ),
]
