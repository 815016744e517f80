"""The endpoints of links and branding: parse, make one call, render."""

from collections.abc import Callable

from authfactor.http.pages import page_branding
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.models import BrandingRecord, LinkPurpose
from authfactor.rules.links.links import IssuedLink
from authfactor.wire import links

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


ROUTES = [
    Route(
        "POST",
        "/authfactor/enrollment_links",
        create_enrollment_link,
        201,
        "Create an enrollment link",
        takes=links.CreateEnrollmentLink,
        requires=("user_id",),
        gives=links.EnrollmentLink,
        refusals=(404, 409, 422),
        tag=TAG,
    ),
    Route(
        "GET",
        "/authfactor/enrollment_links/{link_id}",
        get_enrollment_link,
        200,
        "Get an enrollment link",
        gives=links.EnrollmentLink,
        refusals=(404,),
        tag=TAG,
    ),
    Route(
        "POST",
        "/authfactor/challenge_links",
        create_challenge_link,
        201,
        "Create a challenge link",
        takes=links.CreateChallengeLink,
        requires=("user_id",),
        gives=links.ChallengeLink,
        refusals=(404, 409, 422),
        tag=TAG,
    ),
    Route(
        "GET",
        "/authfactor/challenge_links/{link_id}",
        get_challenge_link,
        200,
        "Get a challenge link",
        gives=links.ChallengeLink,
        refusals=(404,),
        tag=TAG,
    ),
    Route(
        "POST",
        "/authfactor/factors_links",
        create_factors_link,
        201,
        "Create a link to the factors page",
        takes=links.CreateFactorsLink,
        requires=("user_id",),
        gives=links.FactorsLink,
        refusals=(404, 409, 422),
        tag=TAG,
    ),
    Route(
        "GET",
        "/authfactor/factors_links/{link_id}",
        get_factors_link,
        200,
        "Get a link to the factors page",
        gives=links.FactorsLink,
        refusals=(404,),
        tag=TAG,
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
