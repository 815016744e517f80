"""The OpenAPI document: valid, complete, true of responses, and nowhere weaker than the public contract."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import jsonschema
import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from authfactor import reference
from authfactor.http.api.authentication import REQUIRED_FIELDS
from authfactor.rules.events import event_log
from authfactor.wire.requests import Authenticate
from tests.http.conftest import Enrolled
from tests.support import authenticator
from tests.support.server_process import API_KEY, CLIENT_ID, fields

# Names, types and required keys of the schemas in the public, MIT-licensed OpenAPI document.
CONTRACT: Final = json.loads((Path(__file__).parent / "contract-shapes.json").read_text())
RESPONSES: Final = {
    "AuthenticationChallenge": "AuthenticationChallenge",
    "AuthenticationChallengeVerifyResponse": "VerifyResponse",
    "AuthenticationFactor": "AuthenticationFactor",
    "AuthenticationFactorEnrolled": "AuthenticationFactorEnrolled",
    "UserlandUser": "User",
    "UserlandUserAuthenticationFactorEnrollResponse": "EnrollResponse",
    "UserlandUserAuthenticationFactorList": "ListOf_AuthenticationFactor_",
    "UserlandUserList": "ListOf_User_",
}
REQUESTS: Final = {
    "ChallengeAuthenticationFactorDto": "ChallengeFactor",
    "CreateUserlandUserDto": "CreateUser",
    "EnrollFactorBody": "EnrollFactor",
    "EnrollUserlandUserAuthenticationFactorDto": "EnrollUserFactor",
    "UpdateUserlandUserDto": "UpdateUser",
    "VerifyChallengeBody": "VerifyChallenge",
}
# Optional in the contract, and not offered: codes of SMS factors, phone numbers.
NOT_OFFERED: Final = {("AuthenticationChallenge", "code"), ("AuthenticationFactor", "sms")} | {
    ("AuthenticationFactorEnrolled", "sms")
}
_JSON_TYPES: Final = {str: "string", bool: "boolean", int: "integer", type(None): "null"}


@pytest.fixture(scope="session")
def document(anonymous: httpx.Client) -> dict[str, Any]:
    return fields(anonymous.get("/openapi.json"), 200)


class OurSchema:
    """A schema of our document, with references resolved and alternatives flattened."""

    def __init__(self, document: dict[str, Any], schema: dict[str, Any]) -> None:
        self._document = document
        self._alternatives = list(self._flatten(schema))

    def _flatten(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/components/schemas/")
            return self._flatten(self._document["components"]["schemas"][name])
        if "allOf" in schema:
            merged: dict[str, Any] = {"type": "object", "properties": {}}
            for part in schema["allOf"]:
                merged["properties"] |= self._flatten(part)[0]["properties"]
            return [merged]
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return [choice for part in schema[several] for choice in self._flatten(part)]
        return [schema]

    def types(self) -> set[str]:
        found: set[str] = set()
        for choice in self._alternatives:
            if "type" in choice:
                found |= {choice["type"]} if isinstance(choice["type"], str) else set(choice["type"])
            else:
                found |= {
                    _JSON_TYPES[type(value)] for value in (*choice.get("enum", ()), choice.get("const"))[:1]
                }
        return found

    def values(self) -> set[str] | None:
        """Return the allowed texts, or None if every text is allowed."""
        found: set[str] = set()
        for choice in self._alternatives:
            if "enum" in choice or "const" in choice:
                found |= {*choice.get("enum", ()), *((choice["const"],) if "const" in choice else ())}
                found.discard(None)
            elif choice.get("type") != "null":
                return None
        return found

    def choices(self) -> list[dict[str, Any]]:
        return self._alternatives

    def object(self) -> dict[str, Any]:
        return next(choice for choice in self._alternatives if choice.get("type") == "object")

    def items(self) -> dict[str, Any]:
        items = next(choice for choice in self._alternatives if choice.get("type") == "array")["items"]
        assert isinstance(items, dict)
        return items

    def formats(self) -> set[str]:
        return {choice["format"] for choice in self._alternatives if "format" in choice}


def response_problems(
    document: dict[str, Any], name: str, theirs: dict[str, Any], ours: OurSchema
) -> list[str]:
    """List what an SDK generated from the contract could miss in our responses."""
    shape = ours.object()
    optional = [field for field in theirs["required"] if field not in shape.get("required", ())]
    found = [f"{name}.{field} is not required" for field in optional]
    for field, theirs_field in theirs["properties"].items():
        path = f"{name}.{field}"
        if field not in shape["properties"]:
            if (name, field) not in NOT_OFFERED:
                found.append(f"{path} is missing")
            continue
        ours_field = OurSchema(document, shape["properties"][field])
        found += field_problems(document, path, theirs_field, ours_field)
    return found


def field_problems(document: dict[str, Any], path: str, theirs: dict[str, Any], ours: OurSchema) -> list[str]:
    if "shape" in theirs:
        return response_problems(document, theirs["shape"], CONTRACT["responses"][theirs["shape"]], ours)
    found = []
    if not ours.types() <= set(theirs["types"]):
        found.append(f"{path} is {ours.types()}, not {theirs['types']}")
    values = ours.values()
    if "enum" in theirs and (values is None or not values <= set(theirs["enum"])):
        found.append(f"{path} may be {values}, not {theirs['enum']}")
    if theirs.get("format") == "date-time" and ours.formats() != {"date-time"}:
        found.append(f"{path} is not a date-time")
    if "items" in theirs:
        found += field_problems(document, f"{path}[]", theirs["items"], OurSchema(document, ours.items()))
    if "properties" in theirs:
        found += response_problems(document, path, theirs, ours)
    return found


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def operations_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the operations, and the requests of webhooks, by method and path or by event."""
    paths = {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    return paths | {name: item["post"] for name, item in document["webhooks"].items()}


def test_operation_ids_are_unique_and_operations_are_described(document: dict[str, Any]) -> None:
    operations = operations_of(document).values()

    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert all(operation["summary"] and operation["description"] for operation in operations)
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert {tag for operation in operations for tag in operation["tags"]} == described


def test_every_parameter_and_property_is_described(document: dict[str, Any]) -> None:
    missing = [
        f"{name} {parameter['name']}"
        for name, operation in operations_of(document).items()
        for parameter in operation["parameters"]
        if not parameter.get("description")
    ]
    for name, schema in document["components"]["schemas"].items():
        missing += [name] if not schema.get("description") else []
        missing += [
            f"{name}.{field}"
            for field, described in schema.get("properties", {}).items()
            if not described.get("description")
        ]
    assert missing == []


def test_null_is_one_of_several_types(document: dict[str, Any]) -> None:
    text = json.dumps(document["components"]["schemas"])
    assert '"nullable"' not in text
    assert not re.search(r'"anyOf": \[\{"type": "\w+"\}, \{"type": "null"\}\]', text)
    user = document["components"]["schemas"]["User"]["properties"]
    assert user["last_sign_in_at"]["type"] == ["string", "null"]
    salt = document["components"]["schemas"]["CreateUser"]["properties"]["password_salt_position"]
    assert (salt["type"], salt["enum"]) == (["string", "null"], ["prefix", "suffix", None])


def examples_of(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Yield a name, the schema and the value of every example."""
    for name, operation in operations_of(document).items():
        for parameter in operation["parameters"]:
            if "example" in parameter:
                yield f"{name} {parameter['name']}", parameter["schema"], parameter["example"]
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for place, body in bodies.items():
            for content in resolved(document, body).get("content", {}).values():
                for key, example in content.get("examples", {}).items():
                    yield f"{name} {place} {key}", content["schema"], example["value"]


def test_every_example_matches_its_schema(document: dict[str, Any]) -> None:
    found = list(examples_of(document))
    for name, schema, value in found:
        try:
            if isinstance(value, dict):
                check(document, schema, value)
            else:
                jsonschema.Draft202012Validator(schema).validate(value)
        except (AssertionError, jsonschema.ValidationError) as error:
            raise AssertionError(f"{name}: {error}") from error
    assert len(found) > 100


def test_recorded_samples_and_responses_are_the_examples(document: dict[str, Any]) -> None:
    operations = operations_of(document)
    for page in reference.endpoints().values():
        operation, answer = operations.get(page.operation), reference.recorded().answers[page.name]
        if operation is None:
            assert page.operation in {"GET /metrics", "GET /openapi.json"}
            continue
        response = resolved(document, operation["responses"][str(answer.status)])
        if answer.body:
            shown = response["content"]["application/json"]["examples"][page.name]["value"]
            assert shown == json.loads(answer.body)
        else:
            assert "content" not in response
        body = operation.get("requestBody")
        assert body is not None if answer.sent else body is None or not body["required"]
        if answer.sent:
            body = operation["requestBody"]["content"]["application/json"]
            assert body["examples"][page.name]["value"] == json.loads(answer.sent)


def test_there_is_a_webhook_for_every_event_with_its_data(document: dict[str, Any]) -> None:
    names = {value for name, value in vars(event_log).items() if name.isupper() and isinstance(value, str)}
    assert set(document["webhooks"]) == names
    for name, item in document["webhooks"].items():
        content = item["post"]["requestBody"]["content"]["application/json"]
        example = content["examples"][name]["value"]
        check(document, content["schema"], example)
        data = content["schema"]["allOf"][1]["properties"]["data"]
        check(document, data, example["data"])
        with pytest.raises(jsonschema.ValidationError):
            check(document, content["schema"], {**example, "event": "another.event"})


def test_each_grant_has_a_schema_with_the_fields_that_the_server_requires(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    grants = {
        grant: OurSchema(document, {"$ref": target}).object()
        for grant, target in schemas["Authenticate"]["discriminator"]["mapping"].items()
    }
    assert schemas["Authenticate"]["oneOf"] == [
        {"$ref": target} for target in schemas["Authenticate"]["discriminator"]["mapping"].values()
    ]
    assert {grant: set(schema["required"]) for grant, schema in grants.items()} == {
        grant: {"grant_type", *names} for grant, names in REQUIRED_FIELDS.items()
    }
    for grant, schema in grants.items():
        assert schema["properties"]["grant_type"]["const"] == grant
    known = {field.encode_name for field in msgspec.structs.fields(Authenticate)}
    described = {name for schema in grants.values() for name in schema["properties"]}
    assert described == known - {*Authenticate.NOT_SERVED}


@pytest.mark.parametrize("name", RESPONSES)
def test_response_schemas_cover_the_public_contract(document: dict[str, Any], name: str) -> None:
    ours = OurSchema(document, document["components"]["schemas"][RESPONSES[name]])

    assert response_problems(document, name, CONTRACT["responses"][name], ours) == []


@pytest.mark.parametrize("name", REQUESTS)
def test_request_schemas_accept_the_public_contract(document: dict[str, Any], name: str) -> None:
    theirs, ours = CONTRACT["requests"][name], document["components"]["schemas"][REQUESTS[name]]

    assert set(theirs["properties"]) <= set(ours["properties"])
    assert set(ours.get("required", ())) == set(theirs["required"])
    for field, theirs_field in theirs["properties"].items():
        ours_field = OurSchema(document, ours["properties"][field])
        assert set(theirs_field["types"]) <= ours_field.types(), field
        if "enum" in theirs_field:
            values = ours_field.values()
            assert values is None or set(theirs_field["enum"]) <= values, field


def validate(document: dict[str, Any], response: httpx.Response, path: str) -> None:
    """Check a response against its operation in our document."""
    operation = document["paths"][path][response.request.method.lower()]
    responses = operation["responses"]
    assert str(response.status_code) in responses, f"{response.request.method} {path}: {response.status_code}"
    content = resolved(document, responses[str(response.status_code)]).get("content")
    if content is None:
        assert response.content == b""
        return
    kind = response.headers["content-type"].partition(";")[0]
    if kind == "application/json":
        check(document, content[kind]["schema"], response.json())
    else:
        assert set(content) == {kind}


def resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference to a component."""
    if "$ref" not in part:
        return part
    kind, name = part["$ref"].removeprefix("#/components/").split("/")
    found: dict[str, Any] = document["components"][kind][name]
    return found


def check(document: dict[str, Any], schema: dict[str, Any], value: dict[str, Any]) -> None:
    """Check a value against a schema, which must name each of its keys."""
    whole = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(value)
    known = [choice.get("properties", {}) for choice in OurSchema(document, schema).choices()]
    assert any(set(value) <= set(properties) for properties in known), "an undocumented key"


ENROLL = "/user_management/users/{user_id}/auth_factors"


def test_factor_responses_match_the_document(
    api: httpx.Client, document: dict[str, Any], enrolled: Enrolled, factors_path: str
) -> None:
    factor_path = f"/auth/factors/{enrolled.factor['id']}"
    correct = {"code": authenticator.code(enrolled.secret)}
    wrong = {"code": authenticator.wrong_code(enrolled.secret)}
    standalone = {"type": "totp", "totp_issuer": "Acme", "totp_user": "kim"}
    verify = "/auth/challenges/{challenge_id}/verify"
    factor, challenge = "/auth/factors/{factor_id}", "/auth/factors/{factor_id}/challenge"
    for response, path in (
        (api.post(factors_path, json={"type": "totp"}), ENROLL),
        (api.post(factors_path, json={"type": "sms"}), ENROLL),
        (api.post(factors_path, content=b"{"), ENROLL),
        (api.post(factors_path, content=b" " * 70_000), ENROLL),
        (api.get(factors_path, params={"limit": 1}), ENROLL),
        (api.get(factors_path, params={"limit": 0}), ENROLL),
        (api.post("/user_management/users/x/auth_factors", json={"type": "totp"}), ENROLL),
        (api.post("/auth/factors/enroll", json=standalone), "/auth/factors/enroll"),
        (api.post("/auth/factors/enroll", json={}), "/auth/factors/enroll"),
        (api.get(factor_path), factor),
        (api.get("/auth/factors/x"), factor),
        (api.post(f"{factor_path}/challenge"), challenge),
        (api.post(f"{factor_path}/challenge", content=b"7"), challenge),
        (api.post("/auth/factors/challenge", json={}), "/auth/factors/challenge"),
        (api.post("/auth/factors/verify", json={}), "/auth/factors/verify"),
        (api.post(enrolled.verify_path, json=wrong), verify),
        (api.post(enrolled.verify_path, json={}), verify),
        (api.post(enrolled.verify_path, json=correct), verify),
        (api.post(enrolled.verify_path, json=correct), verify),
        (api.post(enrolled.verify_path, content=b"{"), verify),
        (api.post("/auth/challenges/x/verify", json=correct), verify),
        (api.delete(factor_path), factor),
        (api.delete(factor_path), factor),
    ):
        validate(document, response, path)


def test_user_responses_match_the_document(
    api: httpx.Client, anonymous: httpx.Client, document: dict[str, Any], user: dict[str, Any]
) -> None:
    all_users, one_user = "/user_management/users", "/user_management/users/{user_id}"
    by_external_id = "/user_management/users/external_id/{external_id}"
    user_path = f"{all_users}/{user['id']}"
    for response, path in (
        (api.post(all_users, json={"email": user["email"]}), all_users),
        (api.post(all_users, json={}), all_users),
        (api.post(all_users, content=b"{"), all_users),
        (anonymous.post(all_users, json={}), all_users),
        (api.get(all_users, params={"limit": 2}), all_users),
        (api.get(all_users, params={"order": "x"}), all_users),
        (api.put(user_path, json={"metadata": {"a": "b"}, "external_id": user["id"]}), one_user),
        (api.put(user_path, json={"email": "x"}), one_user),
        (api.put(user_path, json={"email": 7}), one_user),
        (api.put(f"{all_users}/x", json={}), one_user),
        (api.get(user_path), one_user),
        (api.get(f"{all_users}/external_id/{user['id']}"), by_external_id),
        (api.get(f"{all_users}/external_id/x"), by_external_id),
        (api.delete(user_path), one_user),
        (api.delete(user_path), one_user),
    ):
        validate(document, response, path)


def test_responses_to_sign_ins_and_to_browsers_match_the_document(
    api: httpx.Client, anonymous: httpx.Client, document: dict[str, Any], user: dict[str, Any]
) -> None:
    authenticate, log_out = "/user_management/authenticate", "/user_management/sessions/logout"
    body = {"grant_type": "password", "client_id": CLIENT_ID, "client_secret": API_KEY}
    wrong = {**body, "email": user["email"], "password": "a wrong passphrase"}
    for response, path in (
        (anonymous.post(authenticate, json={}), authenticate),
        (anonymous.post(authenticate, content=b"{"), authenticate),
        (anonymous.post(authenticate, json={**wrong, "client_secret": "sk_x"}), authenticate),
        (anonymous.post(authenticate, json=wrong), authenticate),
        (anonymous.post(authenticate, json={**wrong, "organization_id": "org_1"}), authenticate),
        (anonymous.get(log_out), log_out),
        (anonymous.get(log_out, params={"session_id": "x"}), log_out),
        (anonymous.get("/healthz"), "/healthz"),
        (anonymous.get("/readyz"), "/readyz"),
        (api.get("/events"), "/events"),
        (api.get("/events", params={"events": "user.created"}), "/events"),
        (api.post("/webhook_endpoints", json={}), "/webhook_endpoints"),
        (api.get("/authfactor/branding"), "/authfactor/branding"),
    ):
        validate(document, response, path)


def test_every_contract_route_in_scope_is_documented(document: dict[str, Any]) -> None:
    documented = {(method.upper(), path) for path, item in document["paths"].items() for method in item}

    factor, user = "/auth/factors/{factor_id}", "/user_management/users/{user_id}"
    assert documented >= {
        *(
            ("POST", ENROLL),
            ("GET", ENROLL),
            ("POST", "/auth/factors/enroll"),
            ("GET", factor),
            ("DELETE", factor),
        ),
        *(("POST", f"{factor}/challenge"), ("POST", "/auth/challenges/{challenge_id}/verify")),
        *(("POST", "/auth/factors/challenge"), ("POST", "/auth/factors/verify")),
        *(
            ("POST", "/user_management/users"),
            ("GET", "/user_management/users"),
            ("GET", user),
            ("PUT", user),
        ),
        *(("DELETE", user), ("GET", "/user_management/users/external_id/{external_id}")),
    }


def test_list_operations_document_their_query(document: dict[str, Any]) -> None:
    for path in ("/user_management/users", ENROLL):
        query = {item["name"]: item["schema"] for item in document["paths"][path]["get"]["parameters"]}
        assert query["limit"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 10}
        assert set(query["order"]["enum"]) == {"asc", "desc", "normal"}
        assert {"before", "after"} <= set(query)
