"""Error pages outside the pages' own handlers: no such page, wrong method, rate limit, failure.

A client gets one if it prefers HTML and the path is none of the API's; everyone else gets JSON.
"""

import logging
from typing import Final

from authfactor import errors
from authfactor.http.accept import prefers_html
from authfactor.http.api import unserved
from authfactor.http.pages.deferred_pages import TAG
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route

log: Final = logging.getLogger("authfactor.pages")


class ErrorPages:
    """Renders error pages for the paths that are not the API's."""

    def __init__(self, routes: list[Route]) -> None:
        """Collect the first segments of the API's paths, and of those that only the WorkOS API has."""
        described = (route.path.split("/")[1] for route in routes if route.tag != TAG)
        self._api: Final = unserved.AREAS.union(described)

    def wanted(self, raw_path: str, accept: bytes) -> bool:
        """Return whether an error at this path is shown as a page to a client with this `Accept` header."""
        return prefers_html(accept) and raw_path.removeprefix("/").partition("/")[0] not in self._api

    async def render(
        self, request: Request, error: errors.AuthfactorError, reference: str
    ) -> Response | None:
        """Render an error with its headers; None if that fails. `reference` leads to a failure in the log."""
        try:
            # Imported here to keep the start fast, as in `deferred_pages`.
            from authfactor.http.pages import templating  # noqa: PLC0415 - see above
            from authfactor.http.pages.page_request import PageRequest  # noqa: PLC0415 - see above

            await templating.load()
            page_request = PageRequest(request)
            if type(error) is errors.AuthfactorError:
                return page_request.render_failure(reference)
            return page_request.render_error(error)
        except Exception:
            log.exception("the error page could not be rendered", extra={"request_id": reference})
            return None
