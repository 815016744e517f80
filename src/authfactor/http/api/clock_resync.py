"""The endpoint that resyncs a factor with a phone whose clock is off."""

from authfactor.http.api.parameters import FACTORS
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.wire import user_factors
from authfactor.wire.clock_resync import ResyncFactor


async def resync_factor(request: Request) -> Response:
    """Resync a factor."""
    body = request.read_body(ResyncFactor)
    unit = request.af.clock_resync.resync(request.environment, request.ids[0], body)
    return await request.administer(unit, user_factors.user_factor, "factor.resync", request.ids[0])


ROUTES = [
    Route(
        "POST",
        "/authfactor/factors/{factor_id}/resync",
        resync_factor,
        200,
        "Resync a factor",
        takes=ResyncFactor,
        requires=("codes",),
        gives=user_factors.UserFactorObject,
        refusals=(400, 404, 422),
        tag=FACTORS,
    ),
]
