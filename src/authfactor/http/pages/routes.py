"""Every route that a browser is meant for; none of them is part of the API's description."""

from typing import Final

from authfactor.http.pages import assets, brand, links, reference
from authfactor.http.pages.console.routes import ROUTES as CONSOLE
from authfactor.http.pages.visit import TAG
from authfactor.http.routing import Route

ROUTES: Final = [
    Route("GET", "/assets/{name}", assets.serve, 200, "A static file", needs_key=False, tag=TAG),
    Route("GET", "/assets/brand/{client_id}/{file}", brand.serve, 200, "A look", needs_key=False, tag=TAG),
    *links.ROUTES,
    *reference.ROUTES,
    *CONSOLE,
]
