"""The endpoint that imports factors of other systems."""

from authfactor.http.api.parameters import FACTORS
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.rules.factors import import_requests
from authfactor.wire import imports


async def import_factors(request: Request) -> Response:
    """Import factors."""
    body = request.read_body(imports.ImportFactors)
    unit = import_requests.prepare(request.af.imports, request.environment, body)
    return await request.administer(unit, lambda found: found, "factors.import", import_requests.target_of)


ROUTES = [
    Route(
        "POST",
        "/authfactor/imports",
        import_factors,
        200,
        "Import factors",
        takes=imports.ImportFactors,
        requires=("entries",),
        gives=imports.ImportObject,
        refusals=(422,),
        tag=FACTORS,
    ),
]
