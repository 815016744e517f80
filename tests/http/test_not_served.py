"""What the WorkOS API has and this server does not: parameters and endpoints are refused, never ignored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from authfactor.http.api import unserved
from authfactor.http.app import all_routes
from authfactor.http.routing import Router
from tests.http.conftest import Enrolled
from tests.support.server_process import API_KEY, CLIENT_ID, Json, Server, fields, running

INVALID: Final = "invalid_request_parameters"
AUTHENTICATE: Final = "/user_management/authenticate"
MFA_TOTP: Final = "urn:workos:oauth:grant-type:mfa-totp"
CREDENTIALS: Final = {"client_id": CLIENT_ID, "client_secret": API_KEY}
GRANTS: Final[dict[str, dict[str, str]]] = {
    "password": {"email": "kim@example.org", "password": "seven green bottles"},
    MFA_TOTP: {
        "code": "123456",
        "pending_authentication_token": "x",
        "authentication_challenge_id": "auth_challenge_x",
    },
    "refresh_token": {"refresh_token": "x"},
}
BODY_FIELDS: Final = ("organization_id", "link_authorization_code", "radar_auth_attempt_id")


def refused_items(response: httpx.Response) -> list[tuple[str, str]]:
    """Check a refusal of parameters and return the field and the code of each item."""
    body = fields(response, 422)
    assert body["code"] == INVALID
    assert all(item["field"] in item["message"] for item in body["errors"])
    return [(item["field"], item["code"]) for item in body["errors"]]


LISTS: Final = ("/user_management/users", "/events?events=user.created", "/webhook_endpoints")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("value", ["org_1", "", "%00", "null"])
def test_a_filter_by_organization_is_refused_even_if_empty(api: httpx.Client, path: str, value: str) -> None:
    query = f"{path}{'&' if '?' in path else '?'}organization_id={value}"

    assert refused_items(api.get(query)) == [("organization_id", "organization_id_not_supported")]


@pytest.mark.parametrize("kind", ["auth_factors", "sessions"])
def test_a_users_lists_refuse_a_filter_by_organization(
    api: httpx.Client, enrolled: Enrolled, kind: str
) -> None:
    path = f"/user_management/users/{enrolled.user['id']}/{kind}"

    assert fields(api.get(path), 200)["object"] == "list"
    assert refused_items(api.get(path, params={"organization_id": "org_1"})) == [
        ("organization_id", "organization_id_not_supported")
    ]


def test_the_deprecated_name_of_the_organization_filter_is_refused(api: httpx.Client) -> None:
    response = api.get("/user_management/users", params={"organization": "org_1", "email": "a@example.org"})

    assert refused_items(response) == [("organization", "organization_not_supported")]


def test_a_misspelled_filter_is_refused_instead_of_listing_every_user(
    api: httpx.Client, enrolled: Enrolled
) -> None:
    for name in ("emial", "Email", "email[]", "☃"):
        response = api.get("/user_management/users", params={name: enrolled.user["email"]})
        assert refused_items(response) == [(name, "parameter_unknown")]


def test_many_or_long_unknown_parameters_get_a_short_refusal(api: httpx.Client) -> None:
    query = "&".join(f"{'x' * 100}{number}=1" for number in range(50))
    response = api.get(f"/user_management/users?{query}")

    assert refused_items(response) == [("x" * 64, "parameter_unknown")] * 10


def test_an_empty_email_filter_matches_no_user(api: httpx.Client, enrolled: Enrolled) -> None:
    assert fields(api.get("/user_management/users", params={"email": ""}), 200)["data"] == []
    (found,) = fields(api.get("/user_management/users", params={"email": enrolled.user["email"]}), 200)[
        "data"
    ]
    assert found["id"] == enrolled.user["id"]


def send_json(client: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    return client.post(AUTHENTICATE, json=body)


def send_form(client: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    return client.post(AUTHENTICATE, data=body)


@pytest.mark.parametrize("send", [send_json, send_form])
@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.parametrize("name", [*BODY_FIELDS, "code_verifier"])
def test_a_sign_in_bound_to_something_not_served_is_refused(
    anonymous: httpx.Client, send: Callable[..., httpx.Response], grant: str, name: str
) -> None:
    body = {"grant_type": grant, **CREDENTIALS, **GRANTS[grant], name: "anything"}

    assert refused_items(send(anonymous, body)) == [(name, f"{name}_not_supported")]


@pytest.mark.parametrize("value", [0, False, [], {"a": 1}, " "])
def test_a_refused_parameter_is_refused_whatever_its_type(anonymous: httpx.Client, value: Json) -> None:
    body = {"grant_type": "refresh_token", **CREDENTIALS, "refresh_token": "x", "organization_id": value}

    assert refused_items(send_json(anonymous, body)) == [("organization_id", "organization_id_not_supported")]


def test_every_refused_parameter_of_a_request_is_named(anonymous: httpx.Client) -> None:
    body = {"grant_type": "password", **CREDENTIALS, **GRANTS["password"], **dict.fromkeys(BODY_FIELDS, "x")}

    assert refused_items(send_json(anonymous, body)) == [
        (name, f"{name}_not_supported") for name in BODY_FIELDS
    ]


def test_a_refused_parameter_costs_neither_an_attempt_nor_a_session(api: httpx.Client) -> None:
    email, password = "refused-parameter@example.org", "seven green bottles"
    user = fields(api.post("/user_management/users", json={"email": email, "password": password}), 201)
    body = {"grant_type": "password", **CREDENTIALS, "email": email, "password": password}

    for wrong in ("wrong", password):
        response = send_json(api, {**body, "password": wrong, "code_verifier": "x"})
        assert refused_items(response) == [("code_verifier", "code_verifier_not_supported")]

    assert fields(api.get(f"/user_management/users/{user['id']}/sessions"), 200)["data"] == []
    assert "access_token" in fields(send_json(api, {**body, "code_verifier": None}), 200)


@pytest.mark.parametrize("grant", [MFA_TOTP, "refresh_token"])
def test_an_invitation_is_refused_by_grants_that_accept_none(anonymous: httpx.Client, grant: str) -> None:
    body = {"grant_type": grant, **CREDENTIALS, **GRANTS[grant], "invitation_token": "x"}

    assert refused_items(send_json(anonymous, body)) == [
        ("invitation_token", "invitation_token_not_supported")
    ]


def test_absent_values_and_parameters_without_an_effect_are_accepted(api: httpx.Client) -> None:
    email, password = "harmless-parameter@example.org", "seven green bottles"
    harmless = {"ip_address": "203.0.113.9", "user_agent": "Mozilla/5.0", "signals_id": "s"}
    user = {"email": email, "password": password, **harmless}
    fields(api.post("/user_management/users", json=user), 201)
    absent = dict(zip(BODY_FIELDS, (None, "", None), strict=True))
    body = {
        "grant_type": "password",
        **CREDENTIALS,
        **user,
        **absent,
        "device_id": "d",
        "session": {"seal_session": True, "cookie_password": "x" * 32},
    }

    assert "access_token" in fields(send_json(api, body), 200)


def test_a_secret_for_a_standalone_factor_is_refused_instead_of_replaced(api: httpx.Client) -> None:
    body = {"type": "totp", "totp_issuer": "Acme", "totp_user": "kim"}
    given = {**body, "totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}

    assert refused_items(api.post("/auth/factors/enroll", json=given)) == [
        ("totp_secret", "totp_secret_not_supported")
    ]
    assert "totp" in fields(api.post("/auth/factors/enroll", json={**body, "totp_secret": ""}), 201)


def test_refused_parameters_are_not_in_the_openapi_document(anonymous: httpx.Client) -> None:
    document = fields(anonymous.get("/openapi.json"), 200)
    schemas = document["components"]["schemas"]

    for grant in schemas["Authenticate"]["discriminator"]["mapping"].values():
        assert not {*BODY_FIELDS} & {*schemas[grant.rpartition("/")[2]]["properties"]}
    assert "totp_secret" not in schemas["EnrollFactor"]["properties"]
    for path in document["paths"].values():
        for operation in path.values():
            assert not {*unserved.REFUSED_PARAMETERS} & {item["name"] for item in operation["parameters"]}


def assert_not_supported(response: httpx.Response, operation: str, url: str) -> None:
    body = fields(response, 501)
    assert body == {
        "message": f"{operation} of the WorkOS API is not supported by this server."
        f" See {url}/docs/compatibility",
        "code": "not_supported",
    }


def filled(template: str) -> str:
    return template.replace("{", "").replace("}", "_01")


@pytest.mark.parametrize(("method", "template"), unserved.OPERATIONS)
def test_an_unserved_operation_is_501_with_and_without_a_key(
    server: Server, api: httpx.Client, anonymous: httpx.Client, method: str, template: str
) -> None:
    for client in (api, anonymous):
        response = client.request(method, filled(template), content=b"{")
        assert_not_supported(response, f"{method} {template}", server.url)


@pytest.mark.parametrize("area", sorted(unserved.AREAS))
def test_a_product_that_is_not_served_is_501_for_every_method_and_path(
    server: Server, anonymous: httpx.Client, area: str
) -> None:
    for method, rest in (("GET", ""), ("POST", "/x"), ("DELETE", "/x/y/z"), ("PUT", "?a=b")):
        response = anonymous.request(method, f"/{area}{rest}")
        assert_not_supported(response, f"/{area}", server.url)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/organizationsx", 404, "not_found"),
        ("GET", "/user_management/nothing", 404, "not_found"),
        ("GET", "/user_management/invitations//accept", 404, "not_found"),
        ("GET", "/user_management/invitations/x/accept", 405, "method_not_allowed"),
        ("POST", "/user_management/users/x/identities", 405, "method_not_allowed"),
        ("PATCH", "/user_management/users", 405, "method_not_allowed"),
        ("GET", "/webhook_endpoints/x", 405, "method_not_allowed"),
        ("PUT", "/auth/factors/x", 405, "method_not_allowed"),
    ],
)
def test_a_path_of_no_api_is_404_or_405(
    anonymous: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    assert fields(anonymous.request(method, path), status)["code"] == code


def test_no_served_route_is_listed_as_unserved() -> None:
    router = Router(all_routes())
    served = {(route.method, route.path) for route in router.routes}

    assert not served & set(unserved.OPERATIONS)
    assert not {route.path.split("/")[1] for route in router.routes} & unserved.AREAS
    assert len(set(unserved.OPERATIONS)) == len(unserved.OPERATIONS)


def test_without_the_reference_the_refusal_names_a_file(tmp_path: Path) -> None:
    settings = {"AUTHFACTOR_DOCS": "false"}
    with running(tmp_path / "data", settings) as server, server.client() as client:
        assert "See docs/compatibility.md" in fields(client.get("/organizations"), 501)["message"]
        assert client.get("/docs/compatibility").status_code == 404


def test_unknown_and_unserved_paths_count_in_the_limit_of_the_address(tmp_path: Path) -> None:
    settings = {"AUTHFACTOR_RATE_PER_ADDRESS": "1", "AUTHFACTOR_RATE_PER_ADDRESS_BURST": "6"}
    with running(tmp_path / "data", settings) as server, server.client() as client:
        paths = ("/organizations", "/nothing", "/user_management/waitlists")
        statuses = [client.get(path).status_code for path in paths * 2]
        assert statuses == [501, 404, 501] * 2
        assert {client.get(path).status_code for path in paths} == {429}
        assert client.get("/healthz").status_code == 200


def test_the_page_behind_the_link_lists_everything_that_is_refused(anonymous: httpx.Client) -> None:
    page = anonymous.get("/docs/compatibility")

    assert page.status_code == 200
    for name in (*unserved.REFUSED_PARAMETERS, *unserved.IGNORED_PARAMETERS):
        assert f"<code>{name}</code>" in page.text
    for area in unserved.AREAS:
        assert f"<code>/{area}</code>" in page.text
    for method, path in unserved.OPERATIONS:
        assert f"<code>{method} {path}</code>" in page.text
