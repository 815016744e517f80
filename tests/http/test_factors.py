"""Factors and challenges, route by route, with the responses that the contract describes."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.http.conftest import Enrolled
from tests.support import authenticator
from tests.support.response_assertions import SECRET_KEYS, assert_challenge, assert_factor, assert_list
from tests.support.server_process import fields

UNKNOWN_FACTOR = "auth_factor_01ZZZZZZZZZZZZZZZZZZZZZZZZ"
UNKNOWN_CHALLENGE = "auth_challenge_01ZZZZZZZZZZZZZZZZZZZZZZZZ"


def test_reading_factors_reveals_no_secret(api: httpx.Client, enrolled: Enrolled, factors_path: str) -> None:
    listed = api.get(factors_path)
    single = api.get(f"/auth/factors/{enrolled.factor['id']}")

    body = fields(listed, 200)
    assert_list(body)
    assert_factor(body["data"][0], enrolled.user["id"])
    assert body["data"] == [fields(single, 200)]
    for response in (listed, single):
        for secret in ("secret", "qr_code", "uri", "otpauth", enrolled.secret):
            assert secret not in response.text


def test_stored_factor_equals_the_enrolled_one_without_secrets(api: httpx.Client, enrolled: Enrolled) -> None:
    found = fields(api.get(f"/auth/factors/{enrolled.factor['id']}"), 200)

    names = {key: enrolled.factor["totp"][key] for key in ("issuer", "user")}
    assert found == {**enrolled.factor, "totp": names}


def test_deleting_a_factor_deletes_its_challenges(
    api: httpx.Client, enrolled: Enrolled, factors_path: str
) -> None:
    path = f"/auth/factors/{enrolled.factor['id']}"

    deleted = api.delete(path)

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "content-type" not in deleted.headers
    assert fields(api.get(path), 404)["code"] == "entity_not_found"
    assert fields(api.delete(path), 404)["code"] == "entity_not_found"
    assert fields(api.get(factors_path), 200)["data"] == []
    response = api.post(enrolled.verify_path, json={"code": authenticator.code(enrolled.secret)})
    assert fields(response, 404)["code"] == "entity_not_found"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_unknown_factor_error_names_the_id(api: httpx.Client, method: str) -> None:
    assert fields(api.request(method, f"/auth/factors/{UNKNOWN_FACTOR}"), 404) == {
        "message": f"Authentication Factor not found: '{UNKNOWN_FACTOR}'.",
        "code": "entity_not_found",
        "entity_id": UNKNOWN_FACTOR,
    }


@pytest.mark.parametrize(
    "content", [b"", b"null", b"{}", b"[]", b'{"sms_template":null}', b'{"sms_template":""}']
)
def test_challenge_is_created_from_any_empty_body(
    api: httpx.Client, enrolled: Enrolled, content: bytes
) -> None:
    path = f"/auth/factors/{enrolled.factor['id']}/challenge"

    created = fields(api.post(path, content=content, headers={"content-type": "application/json"}), 201)

    assert_challenge(created, enrolled.factor["id"])
    assert created["id"] != enrolled.challenge["id"]


def test_challenge_is_created_without_body_and_content_type(api: httpx.Client, enrolled: Enrolled) -> None:
    assert_challenge(
        fields(api.post(f"/auth/factors/{enrolled.factor['id']}/challenge"), 201), enrolled.factor["id"]
    )


def test_correct_code_returns_201_with_the_challenge(api: httpx.Client, enrolled: Enrolled) -> None:
    response = api.post(enrolled.verify_path, json={"code": authenticator.code(enrolled.secret)})

    body = fields(response, 201)
    assert set(body) == {"challenge", "valid"}
    assert body["valid"] is True
    assert_challenge(body["challenge"], enrolled.factor["id"])
    assert body["challenge"]["id"] == enrolled.challenge["id"]


def test_wrong_codes_count_down_until_the_challenge_is_exhausted(
    api: httpx.Client, enrolled: Enrolled
) -> None:
    wrong = authenticator.wrong_code(enrolled.secret)

    for remaining in (4, 3, 2, 1, 0):
        body = fields(api.post(enrolled.verify_path, json={"code": wrong}), 201)
        assert set(body) == {"challenge", "valid", "reason", "attempts_remaining"}
        assert (body["valid"], body["reason"], body["attempts_remaining"]) == (
            False,
            "code_mismatch",
            remaining,
        )
        assert body["challenge"] == enrolled.challenge

    correct = api.post(enrolled.verify_path, json={"code": authenticator.code(enrolled.secret)})
    refused = fields(correct, 400)
    assert refused["code"] == "one_time_code_too_many_attempts"
    assert "new challenge" in refused["message"]
    assert "retry-after" not in correct.headers


def test_ten_wrong_codes_over_several_challenges_lock_the_user(api: httpx.Client, enrolled: Enrolled) -> None:
    wrong = authenticator.wrong_code(enrolled.secret)
    challenge_path = f"/auth/factors/{enrolled.factor['id']}/challenge"
    responses = []
    for _ in range(2):
        path = f"/auth/challenges/{fields(api.post(challenge_path), 201)['id']}/verify"
        responses += [fields(api.post(path, json={"code": wrong}), 201) for _ in range(5)]
    last = responses[-1]
    assert (last["attempts_remaining"], set(last)) == (
        0,
        {"challenge", "valid", "reason", "attempts_remaining", "locked_until"},
    )

    correct = {"code": authenticator.code(enrolled.secret)}
    refused = fields(api.post(enrolled.verify_path, json=correct), 400)

    assert refused["code"] == "one_time_code_too_many_attempts"
    assert refused["locked_until"] == last["locked_until"]


def test_verified_challenge_is_refused_a_second_time(api: httpx.Client, enrolled: Enrolled) -> None:
    fields(api.post(enrolled.verify_path, json={"code": authenticator.code(enrolled.secret)}), 201)

    second_attempt = api.post(enrolled.verify_path, json={"code": authenticator.code(enrolled.secret, 1)})

    challenge_id = enrolled.challenge["id"]
    assert fields(second_attempt, 422) == {
        "message": f"The authentication challenge '{challenge_id}' has already been verified.",
        "code": "authentication_challenge_previously_verified",
    }


def test_used_code_is_refused_on_another_challenge(api: httpx.Client, enrolled: Enrolled) -> None:
    first = {"code": authenticator.code(enrolled.secret)}
    next_code = {"code": authenticator.code(enrolled.secret, 1)}
    challenge = fields(api.post(f"/auth/factors/{enrolled.factor['id']}/challenge"), 201)
    path = f"/auth/challenges/{challenge['id']}/verify"

    assert fields(api.post(enrolled.verify_path, json=first), 201)["valid"] is True
    replayed = fields(api.post(path, json=first), 201)
    assert (replayed["valid"], replayed["reason"]) == (False, "code_already_used")
    assert fields(api.post(path, json=next_code), 201)["valid"] is True


def test_spaces_in_a_code_are_ignored(api: httpx.Client, enrolled: Enrolled) -> None:
    digits = authenticator.code(enrolled.secret)

    response = api.post(enrolled.verify_path, json={"code": f" {digits[:3]} {digits[3:]} "})

    assert fields(response, 201)["valid"] is True


def test_unknown_challenge_error_names_the_id(api: httpx.Client) -> None:
    response = api.post(f"/auth/challenges/{UNKNOWN_CHALLENGE}/verify", json={"code": "123456"})

    assert fields(response, 404) == {
        "message": f"Authentication Challenge not found: '{UNKNOWN_CHALLENGE}'.",
        "code": "entity_not_found",
        "entity_id": UNKNOWN_CHALLENGE,
    }


@pytest.mark.parametrize("with_user", [True, False])
def test_legacy_enrollment_returns_the_bare_factor(
    api: httpx.Client, user: dict[str, Any], with_user: bool
) -> None:
    body = {"type": "totp", "totp_issuer": "Acme", "totp_user": "kim", "phone_number": None}

    created = fields(
        api.post("/auth/factors/enroll", json={**body, **({"user_id": user["id"]} if with_user else {})}), 201
    )

    assert_factor(created, user["id"] if with_user else None, SECRET_KEYS)
    assert (created["totp"]["issuer"], created["totp"]["user"]) == ("Acme", "kim")
    challenge = fields(api.post(f"/auth/factors/{created['id']}/challenge"), 201)
    code = authenticator.code(created["totp"]["secret"])
    assert fields(api.post(f"/auth/challenges/{challenge['id']}/verify", json={"code": code}), 201)["valid"]


def test_legacy_routes_challenge_and_verify(api: httpx.Client, enrolled: Enrolled) -> None:
    body = {"authentication_factor_id": enrolled.factor["id"], "sms_template": None}
    challenge = fields(api.post("/auth/factors/challenge", json=body), 201)
    assert_challenge(challenge, enrolled.factor["id"])

    verification = {
        "authentication_challenge_id": challenge["id"],
        "code": authenticator.code(enrolled.secret),
    }
    body = fields(api.post("/auth/factors/verify", json=verification), 201)

    assert set(body) == {"challenge", "valid"}
    assert body["valid"] is True
    assert_challenge(body["challenge"], enrolled.factor["id"])


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("/auth/factors/challenge", "authentication_factor_id"),
        ("/auth/factors/verify", "authentication_challenge_id"),
    ],
)
def test_legacy_routes_name_the_missing_id(api: httpx.Client, path: str, missing: str) -> None:
    refused = fields(api.post(path, json={"code": "123456"}), 422)

    assert [(item["field"], item["code"]) for item in refused["errors"]] == [(missing, f"{missing}_required")]


def test_eleventh_factor_of_a_user_is_refused(
    api: httpx.Client, enroll: Callable[..., Enrolled], factors_path: str
) -> None:
    for _ in range(10):
        enroll()

    refused = fields(api.post(factors_path, json={"type": "totp"}), 422)

    assert [item["code"] for item in refused["errors"]] == ["factor_limit_reached"]
    assert "Delete one" in refused["errors"][0]["message"]
    assert len(fields(api.get(factors_path, params={"limit": 100}), 200)["data"]) == 10
