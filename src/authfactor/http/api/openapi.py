"""The OpenAPI 3.1 document, generated from the very shapes that the server decodes and encodes with."""

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET

from authfactor.http.routing import Route
from authfactor.version import __version__
from authfactor.wire import responses

_ID: Final = re.compile(r"\{(\w+)\}")
# A model is called UserObject where a client type is called User; the document calls it User.
_OBJECT: Final = re.compile(rb'(?<=[/"_\[])([A-Z][A-Za-z]*)Object(?=["_\]])')
_REFUSALS: Final = {
    400: "Refused",
    401: "No valid API key",
    403: "A further step is needed",
    404: "Not found in this environment",
    409: "Conflict",
    413: "Body too large",
    422: "A rule is broken",
    429: "Too many requests; Retry-After says when to ask again",
    503: "Busy; try again",
}
_QUERY: Final[dict[str, dict[str, Any]]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
    "order": {"type": "string", "enum": ["normal", "desc", "asc"], "default": "desc"},
}


def document(routes: list[Route]) -> bytes:
    """Write the document for a route table."""
    shapes = [route.takes for route in routes if route.takes] + [
        route.gives for route in routes if route.gives
    ]
    schemas, components = msgspec.json.schema_components(
        [*shapes, responses.ErrorBody], ref_template="#/components/schemas/{name}"
    )
    schemas, components = msgspec.json.decode(_OBJECT.sub(rb"\1", msgspec.json.encode((schemas, components))))
    by_shape = {
        repr(shape): schema for shape, schema in zip([*shapes, responses.ErrorBody], schemas, strict=True)
    }
    for shape in _shapes(responses.ResponseModel):
        _require_what_is_always_sent(shape, components.get(shape.__name__.removesuffix("Object")))
    for route in routes:
        if route.takes:
            _describe_body(components[route.takes.__name__], route.requires)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_shape)
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


def _shapes(base: type) -> list[type]:
    children: list[type] = base.__subclasses__()
    return [shape for child in children for shape in (child, *_shapes(child))]


def _require_what_is_always_sent(shape: type, schema: dict[str, Any] | None) -> None:
    """A default spares us from naming a constant; only UNSET leaves a key out of an answer."""
    if schema is not None:
        always = [field.encode_name for field in msgspec.structs.fields(shape) if field.default is not UNSET]
        schema["required"] = sorted({*schema.get("required", ()), *always})


def _describe_body(schema: dict[str, Any], requires: tuple[str, ...]) -> None:
    """Null is tolerated as "absent" on the way in, so it is no default that a client should send."""
    for name, described in schema["properties"].items():
        if described.get("default", ...) is None:
            del described["default"]
        if name in requires and "anyOf" in described:
            described.update(
                next(option for option in described.pop("anyOf") if option.get("type") != "null")
            )
    if requires:
        schema["required"] = list(requires)


def _operation(route: Route, by_shape: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": _responses(route, by_shape),
    }
    if route.takes:
        content = {"application/json": {"schema": by_shape[repr(route.takes)]}}
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
        for name in _ID.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "schema": _QUERY.get(name, {"type": "string"})}
        for name in route.query
    ]


def _responses(route: Route, by_shape: dict[str, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done"}
    if route.gives:
        success["content"] = {"application/json": {"schema": by_shape[repr(route.gives)]}}
    error = {"application/json": {"schema": by_shape[repr(responses.ErrorBody)]}}
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
        **{str(status): {"description": _REFUSALS[status], "content": error} for status in refusals},
    }
