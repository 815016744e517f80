"""Users, route by route: the contract's statuses, fields and errors."""

import uuid
from typing import Any

import httpx
import pytest

from tests.support.response_assertions import assert_list, assert_user, moment
from tests.support.server_process import Json, fields

USERS = "/user_management/users"
UNKNOWN_USER = "user_01ZZZZZZZZZZZZZZZZZZZZZZZZ"


def test_user_with_only_an_email_has_default_fields(api: httpx.Client, email: str) -> None:
    created = fields(api.post(USERS, json={"email": email}), 201)

    assert_user(created)
    null_fields = (
        "first_name",
        "last_name",
        "name",
        "profile_picture_url",
        "external_id",
        "last_sign_in_at",
        "locale",
    )
    assert [created[key] for key in null_fields] == [None] * len(null_fields)
    assert (created["email"], created["email_verified"], created["metadata"]) == (email, False, {})


def test_every_field_of_a_new_user_is_stored(api: httpx.Client, email: str) -> None:
    request = {
        "email": email,
        "email_verified": True,
        "first_name": "Kim",
        "last_name": "Döe",
        "name": "Kim Döe",
        "external_id": f"crm/{uuid.uuid4().hex}",
        "metadata": {"plan": "pro"},
        "locale": "de-CH",
    }
    created = fields(api.post(USERS, json={**request, "password": "a long and rare passphrase 7!"}), 201)

    assert_user(created)
    assert {key: created[key] for key in request} == request
    assert fields(api.get(f"{USERS}/{created['id']}"), 200) == created
    by_external_id = api.get(f"{USERS}/external_id/{request['external_id'].replace('/', '%2F')}")  # type: ignore[attr-defined]  # a string
    assert fields(by_external_id, 200) == created


def test_null_and_unknown_fields_are_ignored(api: httpx.Client, email: str) -> None:
    body = {
        "email": email,
        "first_name": None,
        "metadata": None,
        "ip_address": None,
        "password": None,
        "x": 1,
    }

    created = fields(api.post(USERS, json=body), 201)

    assert (created["first_name"], created["metadata"]) == (None, {})


@pytest.mark.parametrize("body", [{}, {"email": ""}, {"email": "  "}, {"email": None}, None, []])
def test_user_without_an_email_is_refused(api: httpx.Client, body: Json) -> None:
    refused = fields(api.post(USERS, json=body), 422)

    assert (refused["code"], refused["message"]) == ("invalid_request_parameters", "Validation failed")
    assert [(item["code"], item["field"]) for item in refused["errors"]] == [
        ("email_string_required", "email")
    ]


def test_duplicate_email_in_another_case_is_refused(api: httpx.Client, user: dict[str, Any]) -> None:
    refused = fields(api.post(USERS, json={"email": user["email"].upper()}), 400)

    assert (refused["code"], refused["message"]) == ("user_creation_error", "Could not create user.")
    assert [(item["code"], item["message"]) for item in refused["errors"]] == [
        ("email_not_available", "This email is not available.")
    ]


def test_duplicate_external_id_is_refused(api: httpx.Client, email: str) -> None:
    first = fields(api.post(USERS, json={"email": email, "external_id": uuid.uuid4().hex}), 201)

    refused = fields(api.post(USERS, json={"email": f"x{email}", "external_id": first["external_id"]}), 400)

    assert refused["code"] == "user_creation_error"
    assert [item["code"] for item in refused["errors"]] == ["external_id_already_used"]


BAD_FIELDS = [
    ({"email": "no-at-sign"}, 422, "invalid_request_parameters"),
    ({"email": 7}, 422, "invalid_request_parameters"),
    ({"first_name": ["Kim"]}, 422, "invalid_request_parameters"),
    ({"email_verified": "yes"}, 422, "invalid_request_parameters"),
    ({"metadata": {"plan": 7}}, 422, "invalid_request_parameters"),
    ({"metadata": {"k" * 41: "v"}}, 400, "invalid_metadata"),
    ({"metadata": {"k": "v" * 601}}, 400, "invalid_metadata"),
    ({"metadata": {f"k{number}": "v" for number in range(51)}}, 400, "invalid_metadata"),
    ({"external_id": "é"}, 422, "invalid_request_parameters"),
    ({"external_id": "x" * 129}, 422, "invalid_request_parameters"),
    ({"external_id": "a\0b"}, 422, "invalid_request_parameters"),
    ({"first_name": "a\0b"}, 422, "invalid_request_parameters"),
    ({"metadata": {"a": "\0"}}, 400, "invalid_metadata"),
    ({"email": "kim\0@example.org"}, 422, "invalid_request_parameters"),
    ({"email": "kim@example.org\r\nbcc: x@example.org"}, 422, "invalid_request_parameters"),
    ({"email": "k" * 250 + "@example.org"}, 422, "invalid_request_parameters"),
    ({"password": "short"}, 400, "password_strength_error"),
    ({"password_hash": "x", "password_hash_type": "md5"}, 422, "invalid_request_parameters"),
    ({"password_hash": "x", "password_hash_type": "bcrypt"}, 400, "invalid_password_hash"),
    ({"password_hash": "x", "password": "y"}, 400, "password_and_password_hash_provided"),
    (
        {"password": "y", "password_hash_type": "bcrypt"},
        400,
        "password_and_password_hash_type_provided",
    ),
    ({"password_salt_position": "prefix"}, 400, "password_salt_position_requires_password_hash"),
]


@pytest.mark.parametrize(("bad", "status", "code"), BAD_FIELDS)
def test_user_with_an_invalid_field_is_not_stored(
    api: httpx.Client, email: str, bad: dict[str, Any], status: int, code: str
) -> None:
    refused = fields(api.post(USERS, json={"email": email, **bad}), status)

    assert refused["code"] == code
    assert refused["message"]
    assert all({"field", "code", "message"} <= set(item) for item in refused.get("errors", ()))
    assert fields(api.get(USERS, params={"email": email}), 200)["data"] == []


def test_email_filter_is_case_insensitive_and_exact(api: httpx.Client, user: dict[str, Any]) -> None:
    found = fields(api.get(USERS, params={"email": user["email"].upper()}), 200)

    assert_list(found)
    assert found["data"] == [user]
    assert found["list_metadata"] == {"before": None, "after": None}


def test_update_changes_only_the_given_fields(api: httpx.Client, email: str) -> None:
    request = {
        "email": email,
        "first_name": "Kim",
        "external_id": uuid.uuid4().hex,
        "metadata": {"a": "1", "b": "2"},
    }
    created = fields(api.post(USERS, json=request), 201)
    path = f"{USERS}/{created['id']}"

    changed = fields(api.put(path, json={"last_name": "Doe", "metadata": {"b": None, "c": "3"}}), 200)

    assert_user(changed)
    assert (changed["first_name"], changed["last_name"]) == ("Kim", "Doe")
    assert changed["metadata"] == {"a": "1", "c": "3"}
    assert changed["external_id"] == request["external_id"]
    assert changed["created_at"] == created["created_at"]
    assert moment(changed["updated_at"]) >= moment(created["updated_at"])
    cleared = fields(api.put(path, json={"external_id": None, "metadata": {}}), 200)
    assert (cleared["external_id"], cleared["metadata"]) == (None, {})
    assert fields(api.get(path), 200) == cleared


def test_update_to_another_users_email_is_refused(
    api: httpx.Client, user: dict[str, Any], email: str
) -> None:
    other = fields(api.post(USERS, json={"email": f"x{email}"}), 201)

    refused = fields(api.put(f"{USERS}/{other['id']}", json={"email": user["email"]}), 400)

    assert refused["code"] == "email_not_available"
    assert fields(api.get(f"{USERS}/{other['id']}"), 200) == other


def test_deleting_a_user_deletes_its_factors(
    api: httpx.Client, user: dict[str, Any], factors_path: str
) -> None:
    factor = fields(api.post(factors_path, json={"type": "totp"}), 201)["authentication_factor"]

    deleted = api.delete(f"{USERS}/{user['id']}")

    assert (deleted.status_code, deleted.content) == (200, b"")
    assert "content-type" not in deleted.headers
    assert deleted.headers["content-length"] == "0"
    for path in (f"{USERS}/{user['id']}", factors_path, f"/auth/factors/{factor['id']}"):
        assert fields(api.get(path), 404)["code"] == "entity_not_found"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_unknown_user_error_names_the_id(api: httpx.Client, method: str) -> None:
    response = api.request(
        method, f"{USERS}/{UNKNOWN_USER}", json={"first_name": "Kim"} if method == "PUT" else None
    )

    assert fields(response, 404) == {
        "message": f"User not found: '{UNKNOWN_USER}'.",
        "code": "entity_not_found",
        "entity_id": UNKNOWN_USER,
    }


def test_unknown_external_id_error_names_the_decoded_id(api: httpx.Client) -> None:
    refused = fields(api.get(f"{USERS}/external_id/no%20such%2Fid"), 404)

    assert refused["entity_id"] == "no such/id"
