"""The endpoints of links and branding: parse, one call, render."""

from collections.abc import Callable

from authfactor.http.pages import page_branding
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.models import BrandingRecord
from authfactor.rules.links.links import IssuedLink
from authfactor.wire import links

TAG = "links to pages"


async def create_enrollment_link(call: Request) -> Response:
    """Make a link by which a user enrols in a factor."""
    body = call.read_body(links.CreateEnrollmentLink)
    return await call.write(call.af.links.create_enrollment(call.environment, body), _issued(call))


async def get_enrollment_link(call: Request) -> Response:
    """Tell what became of an enrolment link."""
    unit = call.af.links.get(call.environment, "enrollment", call.ids[0])
    return await call.read(unit, lambda link: links.link(link, call.af.clock()))


async def create_challenge_link(call: Request) -> Response:
    """Make a link by which a user gives a code."""
    body = call.read_body(links.CreateChallengeLink)
    return await call.write(call.af.links.create_challenge(call.environment, body), _issued(call))


async def get_challenge_link(call: Request) -> Response:
    """Tell what became of a challenge link."""
    unit = call.af.links.get(call.environment, "challenge", call.ids[0])
    return await call.read(unit, lambda link: links.link(link, call.af.clock()))


async def get_branding(call: Request) -> Response:
    """Tell how pages look."""
    return await call.read(
        call.af.brandings.get(call.environment), lambda branding: _branding(call, branding)
    )


async def update_branding(call: Request) -> Response:
    """Change how pages look."""
    unit = call.af.brandings.update(call.environment, call.read_body(links.UpdateBranding))
    return await call.administer(
        unit, lambda branding: _branding(call, branding), "branding.update", call.environment.client_id
    )


def _issued(call: Request) -> Callable[[IssuedLink], links.EnrollmentLink | links.ChallengeLink]:
    def render(issued: IssuedLink) -> links.EnrollmentLink | links.ChallengeLink:
        return links.link(issued.link, call.af.clock(), issued.url)

    return render


def _branding(call: Request, branding: BrandingRecord | None) -> links.Branding:
    path = page_branding.page_branding(call.environment, branding).logo
    base = call.af.settings.base_url.rstrip("/")
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
        "Change the branding of pages",
        takes=links.UpdateBranding,
        gives=links.Branding,
        refusals=(422,),
        tag=TAG,
    ),
]
