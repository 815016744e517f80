"""All routes of the API. The OpenAPI document describes these routes."""

from typing import Final

from authfactor.http.api import authentication, factors, links, users, webhooks
from authfactor.http.routing import Route

ROUTES: Final[list[Route]] = [
    *factors.ROUTES,
    *users.ROUTES,
    *authentication.ROUTES,
    *webhooks.ROUTES,
    *links.ROUTES,
]
