"""The data of the reference agrees with the server's OpenAPI document."""

import json
import re
from typing import Any

import pytest

from authfactor import reference
from authfactor.http.api import health, openapi
from authfactor.http.api.routes import documented
from authfactor.http.error_responses import STATUSES
from authfactor.reference import Endpoint, Parameter
from tests.project.test_reference import ROOT

ALL = [*documented(), *health.routes(documented)]
BY_OPERATION = {f"{route.method} {route.path}": route for route in ALL}
DOCUMENT: dict[str, Any] = json.loads(openapi.document(ALL))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
PAGES = list(reference.endpoints().values())
SIMPLE = {"string", "boolean", "integer", "object", "timestamp", "string[]"}


def operation_of(page: Endpoint) -> dict[str, Any]:
    method, path = page.operation.split(" ")
    found: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]
    return found


def pages_of(operation: str) -> list[Endpoint]:
    return [page for page in PAGES if page.operation == operation]


def success_schema(operation: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema of the successful response, or None without a body in JSON."""
    status = min(operation["responses"])
    content = operation["responses"][status].get("content", {}).get("application/json")
    # A bare array is described by its items.
    return named(content["schema"].get("items", content["schema"])) if content else None


def named(reference_to: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMAS[reference_to["$ref"].rpartition("/")[2]]
    return found


def test_endpoints_and_reference_pages_match_one_to_one() -> None:
    undocumented = BY_OPERATION.keys() - {page.operation for page in PAGES}
    assert not undocumented, (
        f"write src/authfactor/reference/endpoints/NAME.toml (and samples) for {undocumented}"
    )
    assert {page.operation for page in PAGES} - BY_OPERATION.keys() == set()


@pytest.mark.parametrize("operation", sorted({page.operation for page in PAGES}))
def test_pages_describe_exactly_the_operations_parameters(operation: str) -> None:
    pages = pages_of(operation)
    found = operation_of(pages[0])
    wanted = {(item["name"], item["in"]) for item in found["parameters"] if item["name"] != "Idempotency-Key"}
    if "requestBody" in found:
        schema = named(found["requestBody"]["content"]["application/json"]["schema"])
        alternatives = [named(grant) for grant in schema["oneOf"]] if "oneOf" in schema else [schema]
        wanted |= {(name, "body") for each in alternatives for name in each["properties"]}
    documented = {
        (one.field or one.key, one.place) for page in pages for one in reference.flat(page.http.parameters)
    }
    assert documented == wanted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_required_parameters_are_not_marked_optional(page: Endpoint) -> None:
    optional = {one.field or one.key for one in reference.flat(page.http.parameters) if one.optional}
    assert not optional & set(BY_OPERATION[page.operation].requires)
    assert not optional & set(re.findall(r"\{(\w+)\}", page.operation))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_describe_exactly_the_returned_fields(page: Endpoint) -> None:
    schema = success_schema(operation_of(page))
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
def test_described_objects_have_the_servers_fields(name: str) -> None:
    described_object = reference.objects()[name]
    assert_same_fields(described_object.fields, SCHEMAS[described_object.schema])


def assert_same_fields(documented: tuple[Parameter, ...], schema: dict[str, Any]) -> None:
    assert {one.key for one in documented} == set(schema["properties"])
    assert {one.key for one in documented if not one.optional} == set(schema["required"])
    for one in documented:
        check_type(one, schema["properties"][one.key])


def check_type(documented: Parameter, schema: dict[str, Any]) -> None:
    """Check that a type that names an object is the one that the OpenAPI document refers to."""
    if (inner := reference.object_of(documented.type)) is not None:
        listed = schema["items"] if documented.type.endswith("[]") else schema
        assert listed["$ref"].rpartition("/")[2] == inner.schema, documented.key
    else:
        kind = documented.type.removesuffix(" | null")
        assert kind in SIMPLE or kind.startswith('"'), (
            f"{documented.key}: {documented.type} is no object of objects.toml"
        )
        nullable = "null" in schema["type"]
        assert documented.type.endswith(" | null") == nullable, documented.key


@pytest.mark.parametrize("operation", sorted({page.operation for page in PAGES}))
def test_pages_name_a_code_for_exactly_the_refusals(operation: str) -> None:
    route = BY_OPERATION[operation]
    codes = reference.error_codes()
    documented = {codes[code].status for page in pages_of(operation) for code in page.errors}
    everywhere = {code.status for code in codes.values() if code.everywhere}
    if route.method == "POST":
        documented |= {codes["idempotency_key_reused"].status}
    assert documented | everywhere >= set(route.refusals)
    assert documented <= {*route.refusals, *({422} if route.method == "POST" else ())}
    assert {str(status) for status in documented} <= set(operation_of(pages_of(operation)[0])["responses"])


def test_error_codes_match_the_errors_page() -> None:
    text = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    real = re.findall(r"^\| `(\w+)` \| (\d+) \|", text, re.MULTILINE)
    assert len(real) > 30
    for name, code in reference.error_codes().items():
        # A code can have several statuses: the contract has `email_not_available` with 400 and with 409.
        assert (name, str(code.status)) in real
    used = {code for page in PAGES for code in page.errors}
    specific = {name for name, code in reference.error_codes().items() if not code.everywhere}
    assert used == specific
    assert {code.status for code in reference.error_codes().values()} <= set(STATUSES.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_have_descriptions_and_known_languages(page: Endpoint) -> None:
    assert set(page.reference) <= set(reference.LANGUAGES)
    assert "curl" in page.reference
    assert "python" in page.reference or page.name in reference.samples()["python-http"]
    assert page.description.endswith(".")
    for language, method in page.reference.items():
        for one in (*reference.flat(method.parameters), *reference.flat(method.returns)):
            assert one.description or one.key == "url", f"{language}: {one.key}"
            assert not one.description.startswith("("), one.description
    assert set(page.newer) <= set(reference.LANGUAGES)
    for link in re.findall(r"\]\(/docs/([a-z0-9-]+)\)", page.description):
        assert link.replace("-", "_") in reference.endpoints(), link
