"""Recovery codes and the names of factors over HTTP."""

import re
import uuid
from typing import Final

import httpx
import pytest

from tests.http.conftest import Enrolled, OtherEnvironment
from tests.support import authenticator
from tests.support.response_assertions import assert_list
from tests.support.server_process import fields

FORM: Final = re.compile("[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}")
UNKNOWN: Final = "user_01ZZZZZZZZZZZZZZZZZZZZZZZZ"


def codes_path(enrolled: Enrolled) -> str:
    return f"/authfactor/users/{enrolled.user['id']}/recovery_codes"


def activate(api: httpx.Client, enrolled: Enrolled) -> None:
    code = {"code": authenticator.code(enrolled.secret)}
    assert fields(api.post(enrolled.verify_path, json=code), 201)["valid"] is True


def challenge(api: httpx.Client, enrolled: Enrolled) -> str:
    made = fields(api.post(f"/auth/factors/{enrolled.factor['id']}/challenge"), 201)
    return f"/auth/challenges/{made['id']}/verify"


def test_set_is_made_counted_used_and_deleted(api: httpx.Client, enrolled: Enrolled) -> None:
    path = codes_path(enrolled)
    none = {"object": "recovery_codes", "user_id": enrolled.user["id"], "total": 0, "remaining": 0}
    assert fields(api.get(path), 200) == {**none, "created_at": None}
    refused = fields(api.post(path), 422)
    assert [item["code"] for item in refused["errors"]] == ["no_active_factor"]
    activate(api, enrolled)
    made = fields(api.post(path), 201)
    assert set(made) == {"object", "user_id", "codes", "total", "remaining", "created_at"}
    assert (made["object"], made["total"], made["remaining"]) == ("recovery_codes", 10, 10)
    assert all(FORM.fullmatch(code) for code in made["codes"])
    used = fields(api.post(challenge(api, enrolled), json={"code": made["codes"][3]}), 201)
    assert (used["valid"], used["recovery_codes_remaining"]) == (True, 9)
    counted = fields(api.get(path), 200)
    assert counted == {**none, "total": 10, "remaining": 9, "created_at": made["created_at"]}
    wrong = fields(api.post(challenge(api, enrolled), json={"code": made["codes"][3]}), 201)
    assert (wrong["valid"], wrong["reason"]) == (False, "code_already_used")
    deleted = api.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert fields(api.get(path), 200)["total"] == 0


def test_set_of_another_system_is_imported_and_used(api: httpx.Client, enrolled: Enrolled) -> None:
    path, codes = codes_path(enrolled), {"codes": ["k7x9-q2mu-45wd", "8vhu-3rl6-zp1c"]}
    refused = fields(api.put(path, json=codes), 422)
    assert [item["code"] for item in refused["errors"]] == ["no_active_factor"]
    activate(api, enrolled)
    answer = api.put(path, json=codes)
    counted = fields(answer, 200)
    assert (counted["object"], counted["total"], counted["remaining"]) == ("recovery_codes", 2, 2)
    assert "k7x9" not in answer.text
    used = fields(api.post(challenge(api, enrolled), json={"code": "K7X9 Q2MU 45WD"}), 201)
    assert (used["valid"], used["recovery_codes_remaining"]) == (True, 1)
    wrong = fields(api.post(challenge(api, enrolled), json={"code": "zzzz-zzzz-zzzz"}), 201)
    assert (wrong["valid"], wrong["reason"], wrong["attempts_remaining"]) == (False, "code_mismatch", 4)
    assert fields(api.put(path, json=codes), 200)["remaining"] == 1


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({}, "codes_required"),
        ({"codes": []}, "codes_required"),
        ({"codes": ["123456"]}, "recovery_code_malformed"),
        ({"codes": ["1234567890123456"]}, "recovery_code_guessable"),
    ],
)
def test_unusable_sets_of_another_system_are_refused(
    api: httpx.Client, enrolled: Enrolled, body: object, refused: str
) -> None:
    activate(api, enrolled)
    answer = api.put(codes_path(enrolled), json=body)
    assert [item["code"] for item in fields(answer, 422)["errors"]] == [refused]
    assert "1234" not in answer.text
    assert fields(api.get(codes_path(enrolled)), 200)["total"] == 0


def test_idempotency_key_gives_the_same_set(api: httpx.Client, enrolled: Enrolled) -> None:
    activate(api, enrolled)
    headers = {"idempotency-key": str(uuid.uuid4())}
    answers = [api.post(codes_path(enrolled), headers=headers) for _ in range(3)]
    assert {answer.content for answer in answers} == {answers[0].content}
    other = fields(api.post(codes_path(enrolled)), 201)
    assert not set(other["codes"]) & set(fields(answers[0], 201)["codes"])


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_unknown_and_foreign_users_are_not_found(
    api: httpx.Client, method: str, other_environment: OtherEnvironment, enrolled: Enrolled
) -> None:
    activate(api, enrolled)
    path = f"/authfactor/users/{UNKNOWN}/recovery_codes"
    body = {"codes": ["k7x9-q2mu-45wd"]} if method == "PUT" else None
    assert fields(api.request(method, path, json=body), 404)["entity_id"] == UNKNOWN
    foreign = {"authorization": f"Bearer {other_environment.key}"}
    answer = api.request(method, codes_path(enrolled), headers=foreign, json=body)
    assert fields(answer, 404)["code"] == "entity_not_found"
    assert fields(api.get(codes_path(enrolled)), 200)["total"] == 0


def test_all_factors_are_listed_with_name_state_and_last_use(api: httpx.Client, enrolled: Enrolled) -> None:
    path = f"/authfactor/users/{enrolled.user['id']}/factors"
    body = fields(api.get(path), 200)
    assert_list(body)
    (factor,) = body["data"]
    assert (factor["name"], factor["state"], factor["last_used_at"]) == (None, "pending", None)
    assert (factor["id"], factor["type"], factor["user_id"]) == (
        enrolled.factor["id"],
        "totp",
        enrolled.user["id"],
    )
    activate(api, enrolled)
    (factor,) = fields(api.get(path), 200)["data"]
    assert factor["state"] == "active"
    assert factor["last_used_at"] == factor["updated_at"]
    assert enrolled.secret not in str(body)
    assert fields(api.get(f"/authfactor/users/{UNKNOWN}/factors"), 404)["entity_id"] == UNKNOWN


def test_factor_is_renamed(api: httpx.Client, enrolled: Enrolled) -> None:
    path = f"/authfactor/factors/{enrolled.factor['id']}"
    before = fields(api.get(f"/auth/factors/{enrolled.factor['id']}"), 200)
    assert fields(api.patch(path, json={"name": " Blue phone "}), 200)["name"] == "Blue phone"
    listed = fields(api.get(f"/authfactor/users/{enrolled.user['id']}/factors"), 200)
    assert [each["name"] for each in listed["data"]] == ["Blue phone"]
    # What SDKs read has no further field.
    assert set(fields(api.get(f"/auth/factors/{enrolled.factor['id']}"), 200)) == set(before)
    assert fields(api.patch(path, json={"name": None}), 200)["name"] is None


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", "a\0b", "a\u202eb", 7])
def test_unusable_name_is_refused(api: httpx.Client, enrolled: Enrolled, name: object) -> None:
    path = f"/authfactor/factors/{enrolled.factor['id']}"
    assert [item["code"] for item in fields(api.patch(path, json={"name": name}), 422)["errors"]] == [
        "name_invalid"
    ]


def test_renaming_needs_a_name_and_a_factor(
    api: httpx.Client, enrolled: Enrolled, other_environment: OtherEnvironment
) -> None:
    path = f"/authfactor/factors/{enrolled.factor['id']}"
    assert fields(api.patch(path, json={}), 422)["errors"][0]["code"] == "name_required"
    foreign = {"authorization": f"Bearer {other_environment.key}"}
    assert fields(api.patch(path, json={"name": "x"}, headers=foreign), 404)["code"] == "entity_not_found"
    listed = fields(api.get(f"/authfactor/users/{enrolled.user['id']}/factors"), 200)
    assert listed["data"][0]["name"] is None
