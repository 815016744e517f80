"""The schemas of the OpenAPI document, from the types of bodies and the texts of the reference."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET

from authfactor import reference
from authfactor.http.routing import Route
from authfactor.reference import Endpoint, Parameter
from authfactor.wire import responses
from authfactor.wire.requests import Authenticate

Schema = dict[str, Any]
NULL: Final = {"type": "null"}
# The model of the client type `User` is `UserObject`; the document calls it `User`.
_OBJECT_SUFFIX: Final = re.compile(rb'(?<=[/"_\[])([A-Z][A-Za-z]*)Object(?=["_\]])')
_JSON_TYPES: Final = {str: "string", bool: "boolean", int: "integer", type(None): "null"}


def ref(name: str) -> Schema:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def pages_of(route: Route) -> list[Endpoint]:
    """Return the pages that describe a route: one, or one per grant."""
    return [page for page in reference.endpoints().values() if page.operation == route.name]


class Schemas:
    """The schemas by name (`components`), and the schema of each type."""

    def __init__(self, routes: list[Route], more: Iterable[type]) -> None:
        """Make the schemas of all bodies of the routes, of errors, and of `more` types."""
        models = [
            *(route.takes for route in routes if route.takes),
            *(route.gives for route in routes if route.gives),
            responses.ErrorBody,
            responses.OAuthErrorBody,
            *more,
        ]
        made = msgspec.json.schema_components(models, ref_template="#/components/schemas/{name}")
        found, components = msgspec.json.decode(_OBJECT_SUFFIX.sub(rb"\1", msgspec.json.encode(made)))
        self.components: Final[dict[str, Schema]] = components
        self._of = {repr(model): schema for model, schema in zip(models, found, strict=True)}
        for model in _subclasses(responses.ResponseModel):
            _require_always_sent(model, components.get(model.__name__.removesuffix("Object")))
        for route in routes:
            self._describe(route)
        for described in reference.objects().values():
            if described.schema in components:
                components[described.schema]["description"] = described.description
                _describe_fields(components[described.schema], described.fields)
        for name, schema in components.items():
            components[name] = _simplified(schema)
        if Authenticate.__name__ in components:
            self._split_into_grants(components[Authenticate.__name__])

    def of(self, model: object) -> Schema:
        """Return the schema of a type: a reference."""
        found: Schema = self._of[repr(model)]
        return found

    def named(self, model: object) -> Schema:
        """Return the component that the schema of a type refers to."""
        return self.components[self.of(model)["$ref"].rpartition("/")[2]]

    def _describe(self, route: Route) -> None:
        pages = pages_of(route)
        if route.takes:
            fields = [one for page in pages for one in reference.flat(page.http.parameters)]
            _describe_body(self.named(route.takes), route.requires, route.takes.NOT_SERVED)
            _describe_fields(self.named(route.takes), [one for one in fields if one.place == "body"])
        if route.gives and pages[0].http.returns[0].unwrap:
            _describe_fields(self.named(route.gives), pages[0].http.returns[0].properties)

    def _split_into_grants(self, every_field: Schema) -> None:
        """Replace the schema of all grants by one per grant, with the fields that its page describes."""
        mapping: dict[str, str] = {}
        for page in reference.endpoints().values():
            grant = next((one for one in page.http.parameters if one.key == "grant_type"), None)
            if grant is None:
                continue
            name = "".join(part.capitalize() for part in page.name.split("_"))
            value = grant.type.strip('"')
            mapping[value] = ref(name)["$ref"]
            self.components[name] = {
                "title": page.title,
                "description": page.description,
                "type": "object",
                "properties": {
                    one.key: _of_grant(every_field["properties"][one.key], one, value)
                    for one in page.http.parameters
                },
                "required": [one.key for one in page.http.parameters if not one.optional],
            }
        self.components[Authenticate.__name__] = {
            "title": every_field["title"],
            "description": reference.openapi_texts().authenticate,
            "oneOf": [{"$ref": name} for name in mapping.values()],
            "discriminator": {"propertyName": "grant_type", "mapping": mapping},
        }


def _of_grant(schema: Schema, field: Parameter, grant: str) -> Schema:
    if field.key == "grant_type":
        return {"type": "string", "const": grant, "description": field.description}
    kinds = {"type": schema.get("type", "string")} if not field.optional else {}
    return {**schema, **kinds, "description": field.description}


def _subclasses(base: type) -> list[type]:
    children: list[type] = base.__subclasses__()
    return [model for child in children for model in (child, *_subclasses(child))]


def _require_always_sent(model: type, schema: Schema | None) -> None:
    """Mark as required every field that is always sent: only an UNSET default leaves a key out."""
    if schema is not None:
        always = [field.encode_name for field in msgspec.structs.fields(model) if field.default is not UNSET]
        schema["required"] = sorted({*schema.get("required", ()), *always})


def _describe_body(schema: Schema, requires: tuple[str, ...], not_served: tuple[str, ...]) -> None:
    """Remove null defaults and refused fields, and set the required fields.

    Null is accepted as absent, but not advertised.
    """
    for name in not_served:
        schema["properties"].pop(name, None)
    for name, described in schema["properties"].items():
        if described.get("default", ...) is None:
            del described["default"]
        if name in requires and "anyOf" in described:
            described.update(next(option for option in described.pop("anyOf") if option != NULL))
    if requires:
        schema["required"] = list(requires)


def _describe_fields(schema: Schema, fields: Iterable[Parameter]) -> None:
    for field in fields:
        schema["properties"][field.field or field.key]["description"] = field.description


def _simplified(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Write types as OpenAPI 3.1 does: a type for every enumeration, and `null` as one of several types."""
    if isinstance(schema, list):
        return [_simplified(below) for below in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {name: _simplified(below) for name, below in schema.items()}
    if "enum" in found and "type" not in found:
        kinds = [_JSON_TYPES[type(value)] for value in found["enum"]]
        found["type"] = kinds[0]
    options = found.get("anyOf", [])
    others = [option for option in options if option != NULL]
    if len(options) == 2 and len(others) == 1 and "type" in others[0]:  # noqa: PLR2004 - one type and null
        del found["anyOf"]
        found = {**others[0], **found, "type": [others[0]["type"], "null"]}
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
    return found
