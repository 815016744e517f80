"""The operations of the OpenAPI document, from the route table and the pages of the reference."""

import re
from typing import Any, Final

from authfactor import reference
from authfactor.http.api.authentication import FORM
from authfactor.http.api.openapi import examples
from authfactor.http.api.openapi.schemas import Schema, Schemas, pages_of
from authfactor.http.error_responses import AUTHENTICATE
from authfactor.http.routing import Route
from authfactor.reference import Endpoint, OpenApiTexts, Parameter
from authfactor.wire import responses

JSON: Final = "application/json"
SHARED: Final = (401, 413, 429, 503)
"""Statuses whose response is the same wherever it occurs."""
WAIT: Final = (429, 503)
BAD_REQUEST, TOO_MANY, FOUND, OK = 400, 429, 302, 200
_PATH_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_QUERY: Final[dict[str, Schema]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
    "order": {"type": "string", "enum": ["normal", "desc", "asc"], "default": "desc"},
    "range_start": {"type": "string", "format": "date-time"},
    "range_end": {"type": "string", "format": "date-time"},
}
_EVENTS_ORDER: Final = {**_QUERY["order"], "default": "asc"}


class Operations:
    """Describes routes."""

    def __init__(self, schemas: Schemas, texts: OpenApiTexts) -> None:
        """Keep the schemas that operations refer to, and the texts that no page has."""
        self._schemas = schemas
        self._texts = texts

    def of(self, route: Route) -> dict[str, Any]:
        """Return the operation of a route."""
        pages = pages_of(route)
        operation: dict[str, Any] = {
            "operationId": route.handler.__name__,
            "summary": route.summary,
            "description": _description(pages),
            "tags": [route.tag],
            "parameters": self._parameters(route, pages),
            "responses": self._responses(route, pages),
        }
        if route.takes:
            content: dict[str, Any] = {JSON: {"schema": self._schemas.of(route.takes)}}
            if shown := examples.of_requests(pages):
                content[JSON]["examples"] = shown
            if route.name == AUTHENTICATE:
                content[FORM.decode()] = {"schema": self._schemas.of(route.takes)}
            operation["requestBody"] = {"required": bool(route.requires), "content": content}
        if not route.needs_key:
            operation["security"] = []
        return operation

    def shared_responses(self) -> dict[str, Any]:
        """Return the responses that operations refer to, by status."""
        return {
            str(status): self._error(status, [], responses.ErrorBody, shown=examples.of_status(status))
            for status in SHARED
        }

    def _parameters(self, route: Route, pages: list[Endpoint]) -> list[dict[str, Any]]:
        described = {(one.place, one.field or one.key): one for one in pages[0].http.parameters}
        shown = examples.of_parameters(route, pages)
        found = [
            _parameter(name, described["path", name], {"type": "string"}, shown)
            for name in _PATH_PARAMETER.findall(route.path)
        ]
        for name in route.query:
            schema = _EVENTS_ORDER if route.path == "/events" and name == "order" else _QUERY.get(name)
            found.append(_parameter(name, described["query", name], schema or {"type": "string"}, shown))
        if route.method == "POST":
            header = "Idempotency-Key"
            found.append(
                {
                    "name": header,
                    "in": "header",
                    "required": False,
                    "description": self._texts.headers[header],
                    "schema": {"type": "string"},
                }
            )
        return found

    def _responses(self, route: Route, pages: list[Endpoint]) -> dict[str, Any]:
        refusals = sorted(
            {
                *route.refusals,
                *((401,) if route.needs_key else ()),
                *WAIT,
                *((BAD_REQUEST, 413) if route.takes else ()),
            }
        )
        found = {str(route.status): self._success(route, pages)}
        if route.shows_page:
            found[str(OK)] = {
                "description": self._texts.page,
                "content": {"text/html": {"schema": {"type": "string"}}},
            }
        return found | {str(status): self._refusal(route, pages, status) for status in refusals}

    def _success(self, route: Route, pages: list[Endpoint]) -> dict[str, Any]:
        if route.status == FOUND:
            return {"description": self._texts.redirect, "headers": self._headers("Location")}
        if not route.gives:
            return {"description": self._texts.done}
        content: dict[str, Any] = {"schema": self._schemas.of(route.gives)}
        if shown := examples.of_responses(route, pages, route.status):
            content["examples"] = shown
        returned = pages[0].http.returns[0]
        text = self._schemas.named(route.gives)["description"] if returned.unwrap else returned.description
        return {"description": text, "content": {JSON: content}}

    def _refusal(self, route: Route, pages: list[Endpoint], status: int) -> dict[str, Any]:
        signs_in = route.name == AUTHENTICATE
        if status in SHARED and not (signs_in and status == TOO_MANY):
            return {"$ref": f"#/components/responses/{status}"}
        codes = [code for page in pages for code in page.errors]
        if route.takes and not signs_in:
            codes.append("invalid_json")
        kinds = (responses.ErrorBody,)
        if signs_in and status in (BAD_REQUEST, TOO_MANY):
            kinds = (responses.OAuthErrorBody, *(kinds if status == BAD_REQUEST else ()))
        return self._error(status, codes, *kinds, shown=examples.of_responses(route, pages, status))

    def _error(self, status: int, codes: list[str], *kinds: type, shown: examples.Examples) -> dict[str, Any]:
        """Return a response with the meanings of the codes that have this status."""
        known = reference.error_codes()
        mine = [code for code in dict.fromkeys(codes) if known[code].status == status]
        lines = [f"- `{code}`: {known[code].meaning}" for code in mine]
        alternatives = [self._schemas.of(kind) for kind in kinds]
        content: dict[str, Any] = {
            "schema": alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives}
        }
        if shown:
            content["examples"] = shown
        found: dict[str, Any] = {
            "description": "\n".join([self._texts.statuses[str(status)], *(["", *lines] if lines else [])]),
            "content": {JSON: content},
        }
        if status in WAIT:
            found["headers"] = self._headers("Retry-After")
        return found

    def _headers(self, name: str) -> dict[str, Any]:
        kind = "integer" if name == "Retry-After" else "string"
        return {name: {"description": self._texts.headers[name], "schema": {"type": kind}}}


def _description(pages: list[Endpoint]) -> str:
    if len(pages) == 1:
        return pages[0].description
    return "\n\n".join(f"**{page.title}.** {page.description}" for page in pages)


def _parameter(name: str, described: Parameter, schema: Schema, shown: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "in": described.place,
        "required": not described.optional,
        "description": described.description,
        "schema": schema,
    }
    if name in shown:
        found["example"] = int(shown[name]) if schema["type"] == "integer" else shown[name]
    return found
