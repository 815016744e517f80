"""All routes of pages. None of them is in the OpenAPI document."""

from typing import Final

from authfactor.http.pages import assets, docs_pages, link_pages, page_branding
from authfactor.http.pages.console.routes import ROUTES as CONSOLE
from authfactor.http.pages.page_request import TAG
from authfactor.http.routing import Route

ROUTES: Final = [
    Route("GET", "/assets/{name}", assets.serve, 200, "A static file", needs_key=False, tag=TAG),
    Route(
        "GET",
        "/assets/brand/{client_id}/{file}",
        page_branding.serve,
        200,
        "A style sheet or logo",
        needs_key=False,
        tag=TAG,
    ),
    *link_pages.ROUTES,
    *docs_pages.ROUTES,
    *CONSOLE,
]
