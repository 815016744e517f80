"""The OpenAPI 3.1 document, generated from the types that the server decodes and encodes with."""

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET

from authfactor.http.routing import Route
from authfactor.version import __version__
from authfactor.wire import responses

_PATH_PARAMETER: Final = re.compile(r"\{(\w+)\}")
# The model of the client type `User` is `UserObject`; the document calls it `User`.
_OBJECT_SUFFIX: Final = re.compile(rb'(?<=[/"_\[])([A-Z][A-Za-z]*)Object(?=["_\]])')
_ERROR_DESCRIPTIONS: Final = {
    400: "Bad request",
    401: "No valid API key",
    403: "Another sign-in step is required",
    404: "Not found in this environment",
    409: "Conflict",
    413: "Request body too large",
    422: "The request cannot be processed",
    429: "Too many requests; retry after the seconds in Retry-After",
    503: "Unavailable; retry after the seconds in Retry-After",
}
_QUERY: Final[dict[str, dict[str, Any]]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
    "order": {"type": "string", "enum": ["normal", "desc", "asc"], "default": "desc"},
}


def document(routes: list[Route]) -> bytes:
    """Return the document for a list of routes, as JSON."""
    models = [route.takes for route in routes if route.takes] + [
        route.gives for route in routes if route.gives
    ]
    schemas, components = msgspec.json.schema_components(
        [*models, responses.ErrorBody], ref_template="#/components/schemas/{name}"
    )
    schemas, components = msgspec.json.decode(
        _OBJECT_SUFFIX.sub(rb"\1", msgspec.json.encode((schemas, components)))
    )
    schema_of = {
        repr(model): schema for model, schema in zip([*models, responses.ErrorBody], schemas, strict=True)
    }
    for model in _subclasses(responses.ResponseModel):
        _require_always_sent(model, components.get(model.__name__.removesuffix("Object")))
    for route in routes:
        if route.takes:
            _describe_body(components[route.takes.__name__], route.requires, route.takes.NOT_SERVED)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "authfactor",
                "version": __version__,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/"}],
            "security": [{"bearer": []}],
            "paths": paths,
            "components": {
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
                "schemas": components,
            },
        }
    )


def _subclasses(base: type) -> list[type]:
    children: list[type] = base.__subclasses__()
    return [model for child in children for model in (child, *_subclasses(child))]


def _require_always_sent(model: type, schema: dict[str, Any] | None) -> None:
    """Mark as required every field that is always sent: only an UNSET default leaves a key out."""
    if schema is not None:
        always = [field.encode_name for field in msgspec.structs.fields(model) if field.default is not UNSET]
        schema["required"] = sorted({*schema.get("required", ()), *always})


def _describe_body(schema: dict[str, Any], requires: tuple[str, ...], not_served: tuple[str, ...]) -> None:
    """Remove null defaults and refused fields, and set the required fields.

    Null is accepted as absent, but not advertised.
    """
    for name in not_served:
        schema["properties"].pop(name, None)
    for name, described in schema["properties"].items():
        if described.get("default", ...) is None:
            del described["default"]
        if name in requires and "anyOf" in described:
            described.update(
                next(option for option in described.pop("anyOf") if option.get("type") != "null")
            )
    if requires:
        schema["required"] = list(requires)


def _operation(route: Route, schema_of: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": _responses(route, schema_of),
    }
    if route.takes:
        content = {"application/json": {"schema": schema_of[repr(route.takes)]}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.method == "POST":
        header = {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string"}}
        operation["parameters"].append(header)
    if not route.needs_key:
        operation["security"] = []
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PATH_PARAMETER.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "schema": _QUERY.get(name, {"type": "string"})}
        for name in route.query
    ]


def _responses(route: Route, schema_of: dict[str, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Success"}
    if route.gives:
        success["content"] = {"application/json": {"schema": schema_of[repr(route.gives)]}}
    error = {"application/json": {"schema": schema_of[repr(responses.ErrorBody)]}}
    refusals = sorted(
        {
            *route.refusals,
            *((401,) if route.needs_key else ()),
            429,
            503,
            *((400, 413) if route.takes else ()),
        }
    )
    return {
        str(route.status): success,
        **{
            str(status): {"description": _ERROR_DESCRIPTIONS[status], "content": error} for status in refusals
        },
    }
