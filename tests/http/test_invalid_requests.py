"""Invalid requests: an exact and helpful error, nothing stored, and no secret echoed."""

import base64
import json
from typing import Any, Final

import httpx
import pytest

from tests.http.conftest import Enrolled, OtherEnvironment
from tests.support import authenticator
from tests.support.server_process import Json, Server, fields

INVALID: Final = "invalid_request_parameters"
RFC_SECRET: Final = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def base32_of(size: int) -> str:
    return base64.b32encode(b"k" * size).decode().rstrip("=")


def send(api: httpx.Client, path: str, content: bytes) -> httpx.Response:
    return api.post(path, content=content, headers={"content-type": "application/json"})


def assert_items(refused: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert refused["code"] == INVALID
    assert refused["message"] == "Validation failed"
    assert [(item["field"], item["code"]) for item in refused["errors"]] == expected
    for item in refused["errors"]:
        assert set(item) == {"field", "code", "message"}
        assert item["field"] in item["message"]
        assert len(item["message"]) > len(item["field"]) + 5


MALFORMED = [
    *(b"{", b"{'type':'totp'}", b'{"type":"totp"', b"totp", b"\xff\xfe", b'{"type":"to\xfftp"}', b"[" * 2000),
    *(b'"totp"', b"7", b"true", b'["totp"]', b'[{"type":"totp"}]', b'{"type":"totp"}{}'),
]


@pytest.mark.parametrize("content", MALFORMED, ids=[repr(content[:16]) for content in MALFORMED])
def test_body_that_is_not_a_json_object_is_refused(
    api: httpx.Client, factors_path: str, content: bytes
) -> None:
    refused = fields(send(api, factors_path, content), 400)

    assert refused["code"] == "invalid_json"
    assert "JSON" in refused["message"]
    assert fields(api.get(factors_path), 200)["data"] == []


NO_FIELDS = [b"", b"null", b"[]", b"{}", b" \n", b'{"type":null}', b'{"type":""}']


@pytest.mark.parametrize("content", NO_FIELDS)
def test_body_without_fields_is_refused_for_the_missing_type(
    api: httpx.Client, factors_path: str, content: bytes
) -> None:
    assert_items(fields(send(api, factors_path, content), 422), [("type", "type_required")])
    assert fields(api.get(factors_path), 200)["data"] == []


BAD_ENROLLMENTS = [
    ({"type": "sms"}, [("type", "type_not_supported")]),
    ({"type": "generic_otp"}, [("type", "type_not_supported")]),
    ({"type": "webauthn"}, [("type", "type_not_supported")]),
    ({"type": "TOTP"}, [("type", "type_not_supported")]),
    ({"type": 7}, [("type", "type_invalid")]),
    ({"type": ["totp"]}, [("type", "type_invalid")]),
    ({"type": "totp", "totp_issuer": 7}, [("totp_issuer", "totp_issuer_invalid")]),
    ({"type": "totp", "totp_user": {"a": 1}}, [("totp_user", "totp_user_invalid")]),
    ({"type": "totp", "totp_secret": 7}, [("totp_secret", "totp_secret_invalid")]),
    (
        {"type": True, "totp_issuer": [], "totp_user": 1.5, "totp_secret": False},
        [
            *(("type", "type_invalid"), ("totp_issuer", "totp_issuer_invalid")),
            *(("totp_user", "totp_user_invalid"), ("totp_secret", "totp_secret_invalid")),
        ],
    ),
    *(
        ({"type": "totp", field: bad}, [(field, f"{field}_invalid")])
        for field in ("totp_issuer", "totp_user")
        for bad in (
            *("x" * 2048, "a\nb", "a\rb", "tab\there", "nul\0", "bell\x07", "\x7f", "\u202egro", "a\u2028b"),
            *("a\u2066b", " ", "\u0085"),
        )
    ),
    (
        {"type": "sms", "totp_issuer": "x" * 65, "totp_user": "y" * 129, "totp_secret": "0189"},
        [
            *(("type", "type_not_supported"), ("totp_secret", "totp_secret_invalid")),
            *(("totp_issuer", "totp_issuer_invalid"), ("totp_user", "totp_user_invalid")),
        ],
    ),
]


@pytest.mark.parametrize(("body", "items"), BAD_ENROLLMENTS)
def test_invalid_enrollment_names_every_bad_field_and_stores_nothing(
    api: httpx.Client, factors_path: str, body: dict[str, Any], items: list[tuple[str, str]]
) -> None:
    refused = fields(api.post(factors_path, json=body), 422)

    assert_items(refused, items)
    assert fields(api.get(factors_path), 200)["data"] == []


BAD_SECRETS = [
    *("0189018901890189", "GEZDGNBVGY3TQOJ0", "GEZDGNBV1Y3TQOJQ", "hello world, this", "ÄEZDGNBVGY3TQOJQ"),
    *("\uff27EZDGNBVGY3TQOJQ", "GEZDGNBV=GY3TQOJQ", "=====", " ", "GEZDGNBVGY3TQOJQA", "GEZDGNBV\0GY3TQOJQ"),
    *("\u0131EZDGNBVGY3TQOJQ", "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ"),
    *(base32_of(9), base32_of(129), base32_of(4000)),
]


@pytest.mark.parametrize(
    "secret", BAD_SECRETS, ids=[ascii(secret[:16]) + str(len(secret)) for secret in BAD_SECRETS]
)
def test_invalid_secret_is_refused_and_not_echoed(api: httpx.Client, factors_path: str, secret: str) -> None:
    response = api.post(factors_path, json={"type": "totp", "totp_secret": secret})

    assert_items(fields(response, 422), [("totp_secret", "totp_secret_invalid")])
    if secret.strip():
        assert secret not in response.text
        assert json.dumps(secret)[1:-1] not in response.text
    assert fields(api.get(factors_path), 200)["data"] == []


def test_short_secret_error_states_the_minimum_length(api: httpx.Client, factors_path: str) -> None:
    refused = fields(api.post(factors_path, json={"type": "totp", "totp_secret": base32_of(9)}), 422)

    assert "at least 16 base32 characters (10 bytes)" in refused["errors"][0]["message"]


def test_lone_surrogate_is_refused(api: httpx.Client, factors_path: str) -> None:
    response = send(api, factors_path, b'{"type":"totp","totp_issuer":"\\ud800"}')

    assert response.status_code in {400, 422}
    assert fields(response, response.status_code)["code"] in {"invalid_json", INVALID}
    assert fields(api.get(factors_path), 200)["data"] == []


def test_unknown_fields_are_ignored(api: httpx.Client, factors_path: str) -> None:
    body = {"type": "totp", "User": "user_01", "digits": 8, "totp": {"issuer": 1}, "a" * 300: None}

    fields(api.post(factors_path, json=body), 201)


@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
def test_body_over_the_size_limit_is_refused(api: httpx.Client, factors_path: str, declared: bool) -> None:
    body = b'{"type":"totp","totp_issuer":"' + b"x" * 1_000_000 + b'"}'
    content = body if declared else (body[at : at + 50_000] for at in range(0, len(body), 50_000))

    refused = fields(api.post(factors_path, content=content), 413)

    assert refused["code"] == "request_too_large"
    assert "65536 bytes" in refused["message"]
    assert fields(api.get(factors_path), 200)["data"] == []


BAD_CODES = [
    *("", " ", "12345", "1234567", "12345678", "12345a", "abcdef", "-12345", "+12345", "1e5", "12.345"),
    *("\uff11\uff12\uff13\uff14\uff15\uff16", "\u0661\u0662\u0663\u0664\u0665\u0666", "12345\u00b2"),
    *("' OR 1=1 --", "1" * 5000, "\0" * 6, "123456\n7"),
]


@pytest.mark.parametrize("code", BAD_CODES, ids=[ascii(code[:12]) for code in BAD_CODES])
def test_malformed_code_uses_no_attempt(api: httpx.Client, enrolled: Enrolled, code: str) -> None:
    for _ in range(6):
        response = fields(api.post(enrolled.verify_path, json={"code": code}), 201)

        assert (response["valid"], response["reason"], response["attempts_remaining"]) == (
            False,
            "code_malformed",
            5,
        )
        assert response["challenge"] == enrolled.challenge
    right = {"code": authenticator.code(enrolled.secret)}
    assert fields(api.post(enrolled.verify_path, json=right), 201)["valid"] is True


def test_correct_code_in_full_width_digits_is_wrong(api: httpx.Client, enrolled: Enrolled) -> None:
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in authenticator.code(enrolled.secret))

    assert fields(api.post(enrolled.verify_path, json={"code": wide}), 201)["valid"] is False


WITHOUT_CODE: list[Json] = [{}, None, [], {"code": None}, {"Code": "123456"}]
NOT_STRINGS: list[Json] = [123456, 1.5, True, ["123456"], {"digits": "123456"}]
MISSING_OR_INVALID_CODES = [
    *((body, "code_required") for body in WITHOUT_CODE),
    *(({"code": bad}, "code_invalid") for bad in NOT_STRINGS),
]


@pytest.mark.parametrize(("body", "code"), MISSING_OR_INVALID_CODES)
def test_missing_or_non_string_code_uses_no_attempt(
    api: httpx.Client, enrolled: Enrolled, body: Json, code: str
) -> None:
    refused = fields(api.post(enrolled.verify_path, json=body), 422)

    assert_items(refused, [("code", code)])
    wrong = {"code": authenticator.wrong_code(enrolled.secret)}
    assert fields(api.post(enrolled.verify_path, json=wrong), 201)["attempts_remaining"] == 4


UNKNOWN_IDS = [
    *("x", "user_01ZZZZZZZZZZZZZZZZZZZZZZZZ", "%00", "a%2Fb", "..", "%F0%9F%94%91", "%FF", "'--", "x" * 2000),
    *("%0d%0aset-cookie:x", "me?limit=1"),
]


@pytest.mark.parametrize("entity_id", UNKNOWN_IDS, ids=[entity_id[:12] for entity_id in UNKNOWN_IDS])
def test_unknown_or_malformed_id_is_not_found(api: httpx.Client, entity_id: str) -> None:
    for path in (f"/user_management/users/{entity_id}", f"/auth/factors/{entity_id}"):
        response = api.get(path)
        if ".." in entity_id:  # the client resolves it before sending
            assert response.status_code in {200, 404}
            continue
        refused = fields(response, 404)
        assert refused["code"] == "entity_not_found"
        assert refused["entity_id"] in refused["message"]
        assert "set-cookie" not in response.headers
    refused = fields(
        api.post(f"/auth/challenges/{entity_id.split('?', maxsplit=1)[0]}/verify", json={"code": "123456"}),
        404,
    )
    assert refused["code"] in {"entity_not_found", "not_found"}


def test_percent_encoded_ids_are_decoded(api: httpx.Client, enrolled: Enrolled) -> None:
    encoded = enrolled.factor["id"].replace("_", "%5F")

    assert fields(api.get(f"/auth/factors/{encoded}"), 200)["id"] == enrolled.factor["id"]


@pytest.mark.parametrize("email", ["%00", "%FF", "%F0%9F%94%91", "%27--", "a" * 4000])
def test_filter_by_an_unknown_email_returns_an_empty_list(api: httpx.Client, email: str) -> None:
    assert fields(api.get(f"/user_management/users?email={email}"), 200)["data"] == []


def test_enrollment_of_an_unknown_user_is_not_found(api: httpx.Client) -> None:
    user_id = "user_01ZZZZZZZZZZZZZZZZZZZZZZZZ"

    refused = fields(api.post(f"/user_management/users/{user_id}/auth_factors", json={"type": "totp"}), 404)
    assert refused["entity_id"] == user_id
    body = {"type": "totp", "totp_issuer": "Acme", "totp_user": "kim", "user_id": user_id}
    assert fields(api.post("/auth/factors/enroll", json=body), 404)["entity_id"] == user_id
    assert fields(api.get(f"/user_management/users/{user_id}/auth_factors"), 404)["entity_id"] == user_id


def test_ids_of_another_environment_look_unknown(
    api: httpx.Client, other_environment: OtherEnvironment
) -> None:
    ids = {
        "User": other_environment.user["id"],
        "Authentication Factor": other_environment.factor["id"],
        "Authentication Challenge": other_environment.challenge["id"],
    }
    requests: list[tuple[str, str, str, Any]] = [
        ("User", "GET", "/user_management/users/{}", None),
        ("User", "PUT", "/user_management/users/{}", {"first_name": "Kim"}),
        ("User", "DELETE", "/user_management/users/{}", None),
        ("User", "GET", "/user_management/users/{}/auth_factors", None),
        ("User", "POST", "/user_management/users/{}/auth_factors", {"type": "totp"}),
        ("Authentication Factor", "GET", "/auth/factors/{}", None),
        ("Authentication Factor", "DELETE", "/auth/factors/{}", None),
        ("Authentication Factor", "POST", "/auth/factors/{}/challenge", {}),
        ("Authentication Challenge", "POST", "/auth/challenges/{}/verify", {"code": "123456"}),
    ]
    for kind, method, path, body in requests:
        key_sets = []
        for entity_id in (ids[kind], ids[kind][:-26] + "01ZZZZZZZZZZZZZZZZZZZZZZZZ"):
            refused = fields(api.request(method, path.format(entity_id), json=body), 404)
            assert refused == {
                "message": f"{kind} not found: '{entity_id}'.",
                "code": "entity_not_found",
                "entity_id": entity_id,
            }
            key_sets.append(set(refused))
        assert key_sets[0] == key_sets[1]
    listed = fields(api.get("/user_management/users", params={"email": other_environment.user["email"]}), 200)
    assert other_environment.user["id"] not in {item["id"] for item in listed["data"]}


def test_foreign_requests_leave_the_other_environment_unchanged(
    server: Server, api: httpx.Client, other_environment: OtherEnvironment
) -> None:
    with server.client(other_environment.key) as foreign_api:
        assert (
            fields(foreign_api.get(f"/auth/factors/{other_environment.factor['id']}"), 200)["id"]
            == other_environment.factor["id"]
        )
        found = fields(
            foreign_api.get(f"/user_management/users/{other_environment.user['id']}/auth_factors"), 200
        )
        assert [item["id"] for item in found["data"]] == [other_environment.factor["id"]]


BAD_QUERIES = [
    *(
        ({"limit": limit}, ["limit"])
        for limit in ("0", "-1", "101", "ten", "1e1", "+5", "1.0", " 5", "٣", "9" * 30, "0x5")
    ),
    *(({"order": order}, ["order"]) for order in ("up", "DESC", "desc;drop table users", "1")),
    *(
        ({name: cursor}, [name])
        for name in ("before", "after")
        for cursor in ("x", "auth_factor_01", "\0", "é")
    ),
    ({"limit": "0", "order": "x"}, ["limit", "order"]),
]


@pytest.mark.parametrize(("query", "names"), BAD_QUERIES)
@pytest.mark.parametrize("listing", ["users", "factors"])
def test_invalid_query_parameters_are_named(
    api: httpx.Client, factors_path: str, listing: str, query: dict[str, str], names: list[str]
) -> None:
    path = "/user_management/users" if listing == "users" else factors_path

    assert_items(fields(api.get(path, params=query), 422), [(name, f"{name}_invalid") for name in names])


def test_cursor_of_another_users_list_is_refused(
    api: httpx.Client, enrolled: Enrolled, email: str, other_environment: OtherEnvironment
) -> None:
    other = fields(api.post("/user_management/users", json={"email": f"x{email}"}), 201)
    path = f"/user_management/users/{other['id']}/auth_factors"

    for cursor in (enrolled.factor["id"], other_environment.factor["id"]):
        assert_items(fields(api.get(path, params={"after": cursor}), 422), [("after", "after_invalid")])


def test_unknown_query_parameters_of_a_list_are_refused(api: httpx.Client, factors_path: str) -> None:
    refused = fields(api.get(factors_path, params={"include": "secret", "page": "2"}), 422)
    assert_items(refused, [("include", "parameter_unknown"), ("page", "parameter_unknown")])


INVALID_CREDENTIALS: list[dict[str, str]] = [
    {},
    {"authorization": ""},
    {"authorization": "Bearer"},
    {"authorization": "Bearer sk_test_wrong"},
    {"authorization": "Basic c2tfdGVzdF9kZWZhdWx0Og=="},
    {"authorization": "sk_test_default"},
    {"x-api-key": "sk_test_default"},
]


@pytest.mark.parametrize("headers", INVALID_CREDENTIALS)
def test_every_route_responds_401_without_a_valid_api_key(
    anonymous: httpx.Client, enrolled: Enrolled, headers: dict[str, str]
) -> None:
    user_path = f"/user_management/users/{enrolled.user['id']}"
    for method, path in (
        *(("GET", user_path), ("PUT", user_path), ("DELETE", user_path), ("GET", "/user_management/users")),
        *(("POST", "/user_management/users"), ("POST", f"{user_path}/auth_factors")),
        *(("GET", f"{user_path}/auth_factors"), ("GET", f"/auth/factors/{enrolled.factor['id']}")),
        *(("DELETE", f"/auth/factors/{enrolled.factor['id']}"), ("POST", "/auth/factors/enroll")),
        *(("POST", f"/auth/factors/{enrolled.factor['id']}/challenge"), ("POST", enrolled.verify_path)),
        *(("POST", "/auth/factors/challenge"), ("POST", "/auth/factors/verify")),
    ):
        refused = anonymous.request(method, path, headers=headers)
        assert fields(refused, 401) == {"message": "Unauthorized"}
        assert refused.headers["www-authenticate"] == "Bearer"


def test_authorization_scheme_is_case_insensitive(anonymous: httpx.Client) -> None:
    fields(anonymous.get("/user_management/users", headers={"authorization": "bearer sk_test_default"}), 200)


def test_unknown_path_is_404_and_wrong_method_is_405(api: httpx.Client, anonymous: httpx.Client) -> None:
    for path in (
        "/nothing",
        "/auth",
        "/auth/factors",
        "/user_management/users/",
        "/user_management//users",
    ):
        assert fields(api.get(path), 404)["code"] == "not_found"
    wrong = anonymous.patch("/user_management/users")
    refused = fields(wrong, 405)
    assert refused["code"] == "method_not_allowed"
    assert wrong.headers["allow"] == "GET, POST"
    assert "GET or POST" in refused["message"]
