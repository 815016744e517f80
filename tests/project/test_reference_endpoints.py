"""The data of the reference says what the server's own description says, no more and no less."""

import json
import re
from typing import Any

import pytest

from authfactor import reference
from authfactor.http.api import health, openapi
from authfactor.http.api.routes import ROUTES
from authfactor.http.error_responses import STATUSES
from authfactor.reference import Endpoint, Parameter
from tests.project.test_reference import ROOT

ALL = [*ROUTES, *health.routes(ROUTES)]
BY_OPERATION = {f"{route.method} {route.path}": route for route in ALL}
DOCUMENT: dict[str, Any] = json.loads(openapi.document(ALL))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
PAGES = list(reference.endpoints().values())
SIMPLE = {"string", "boolean", "integer", "object", "timestamp", "string[]"}


def described(page: Endpoint) -> dict[str, Any]:
    method, path = page.operation.split(" ")
    found: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]
    return found


def of_operation(operation: str) -> list[Endpoint]:
    return [page for page in PAGES if page.operation == operation]


def answered(operation: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of the answer that is no refusal, or nothing."""
    status = min(operation["responses"])
    content = operation["responses"][status].get("content")
    return SCHEMAS[content["application/json"]["schema"]["$ref"].rpartition("/")[2]] if content else None


def test_every_endpoint_has_a_page_and_every_page_an_endpoint() -> None:
    without = BY_OPERATION.keys() - {page.operation for page in PAGES}
    assert not without, f"write src/authfactor/reference/endpoints/NAME.toml (and samples) for {without}"
    assert {page.operation for page in PAGES} - BY_OPERATION.keys() == set()


@pytest.mark.parametrize("operation", sorted({page.operation for page in PAGES}))
def test_pages_describe_every_parameter_and_no_other(operation: str) -> None:
    pages = of_operation(operation)
    found = described(pages[0])
    wanted = {(item["name"], item["in"]) for item in found["parameters"] if item["name"] != "Idempotency-Key"}
    if "requestBody" in found:
        schema = found["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        wanted |= {(name, "body") for name in SCHEMAS[schema]["properties"]}
    told = {
        (one.field or one.key, one.place) for page in pages for one in reference.flat(page.http.parameters)
    }
    assert told == wanted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_the_server_requires_is_not_called_optional(page: Endpoint) -> None:
    optional = {one.field or one.key for one in reference.flat(page.http.parameters) if one.optional}
    assert not optional & set(BY_OPERATION[page.operation].requires)
    assert not optional & set(re.findall(r"\{(\w+)\}", page.operation))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_describes_every_field_that_is_returned_and_no_other(page: Endpoint) -> None:
    schema = answered(described(page))
    returns = page.http.returns
    if schema is None:
        assert returns == ()
    elif not returns[0].unwrap:
        found = reference.object_of(returns[0].type)
        assert found is not None
        assert SCHEMAS[found.schema] == schema
    else:
        assert_same_fields(returns[0].properties, schema)


@pytest.mark.parametrize("name", sorted(reference.objects()))
def test_an_object_has_the_fields_that_the_server_sends(name: str) -> None:
    described_object = reference.objects()[name]
    assert_same_fields(described_object.fields, SCHEMAS[described_object.schema])


def assert_same_fields(told: tuple[Parameter, ...], schema: dict[str, Any]) -> None:
    assert {one.key for one in told} == set(schema["properties"])
    assert {one.key for one in told if not one.optional} == set(schema["required"])
    for one in told:
        check_type(one, schema["properties"][one.key])


def check_type(told: Parameter, schema: dict[str, Any]) -> None:
    """A type that names an object must be the one that the description refers to."""
    if (inner := reference.object_of(told.type)) is not None:
        listed = schema["items"] if told.type.endswith("[]") else schema
        assert listed["$ref"].rpartition("/")[2] == inner.schema, told.key
    else:
        kind = told.type.removesuffix(" | null")
        assert kind in SIMPLE or kind.startswith('"'), f"{told.key}: {told.type} is no object of objects.toml"
        nullable = {"type": "null"} in schema.get("anyOf", [])
        assert told.type.endswith(" | null") == nullable, told.key


@pytest.mark.parametrize("operation", sorted({page.operation for page in PAGES}))
def test_pages_name_a_code_for_every_refusal_and_no_other(operation: str) -> None:
    route = BY_OPERATION[operation]
    codes = reference.error_codes()
    told = {codes[code].status for page in of_operation(operation) for code in page.errors}
    everywhere = {code.status for code in codes.values() if code.everywhere}
    if route.method == "POST":
        told |= {codes["idempotency_key_reused"].status}
    assert told | everywhere >= set(route.refusals)
    assert told <= {*route.refusals, *({422} if route.method == "POST" else ())}
    assert {str(status) for status in told} <= set(described(of_operation(operation)[0])["responses"])


def test_codes_are_those_that_the_errors_have_with_their_statuses() -> None:
    text = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    real = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", text, re.MULTILINE))
    assert len(real) > 30
    for name, code in reference.error_codes().items():
        assert str(code.status) == real[name], name
    used = {code for page in PAGES for code in page.errors}
    told = {name for name, code in reference.error_codes().items() if not code.everywhere}
    assert used == told
    assert {code.status for code in reference.error_codes().values()} <= set(STATUSES.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_everything_has_a_description_and_languages_are_known(page: Endpoint) -> None:
    assert set(page.reference) <= set(reference.LANGUAGES)
    assert {"curl", "python"} <= set(page.reference)
    assert page.description.endswith(".")
    for language, method in page.reference.items():
        for one in (*reference.flat(method.parameters), *reference.flat(method.returns)):
            assert one.description or one.key == "url", f"{language}: {one.key}"
            assert not one.description.startswith("("), one.description
    assert set(page.newer) <= set(reference.LANGUAGES)
    for link in re.findall(r"\]\(/docs/([a-z0-9-]+)\)", page.description):
        assert link.replace("-", "_") in reference.endpoints(), link
