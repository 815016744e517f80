"""Idempotency-Key over HTTP: one effect however often an SDK sends it, the same bytes every time."""

import hashlib
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest

from tests.http.conftest import Enrolled, Stranger
from tests.support import authenticator
from tests.support.server_process import Json, Server, fields


def key() -> dict[str, str]:
    return {"idempotency-key": str(uuid.uuid4())}


def count(api: httpx.Client, factors_path: str) -> int:
    return len(fields(api.get(factors_path, params={"limit": 100}), 200)["data"])


def test_an_enrolment_sent_again_answers_the_same_bytes_and_makes_one_factor(
    api: httpx.Client, factors_path: str
) -> None:
    headers = key()
    answers = [api.post(factors_path, json={"type": "totp"}, headers=headers) for _ in range(3)]

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers["content-type"] for answer in answers} == {"application/json; charset=utf-8"}
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    assert count(api, factors_path) == 1


def test_a_right_code_sent_again_is_still_valid_but_without_the_key_it_is_spent(
    api: httpx.Client, enrolled: Enrolled
) -> None:
    headers, body = key(), {"code": authenticator.code(enrolled.secret)}
    answers = [api.post(enrolled.verify_path, json=body, headers=headers) for _ in range(2)]

    assert fields(answers[0], 201)["valid"] is True
    assert answers[0].content == answers[1].content
    assert fields(api.post(enrolled.verify_path, json=body), 422)["code"].endswith("previously_verified")


def test_a_wrong_code_sent_again_is_counted_once(api: httpx.Client, enrolled: Enrolled) -> None:
    headers, body = key(), {"code": authenticator.wrong_code(enrolled.secret)}
    answers = [api.post(enrolled.verify_path, json=body, headers=headers) for _ in range(4)]

    assert len({answer.content for answer in answers}) == 1
    assert fields(api.post(enrolled.verify_path, json=body), 201)["attempts_remaining"] == 3


def test_a_user_created_twice_with_one_key_is_one_user(api: httpx.Client, email: str) -> None:
    headers = key()
    answers = [api.post("/user_management/users", json={"email": email}, headers=headers) for _ in range(2)]

    assert fields(answers[0], 201)["email"] == email
    assert answers[0].content == answers[1].content


def test_a_challenge_opened_twice_with_one_key_is_one_challenge(
    api: httpx.Client, enrolled: Enrolled
) -> None:
    headers, path = key(), f"/auth/factors/{enrolled.factor['id']}/challenge"

    assert (
        api.post(path, json={}, headers=headers).content == api.post(path, json={}, headers=headers).content
    )
    assert api.post(path, json={}).content != api.post(path, json={}).content


def test_the_same_key_with_another_body_is_refused_and_changes_nothing(
    api: httpx.Client, factors_path: str
) -> None:
    headers = key()
    api.post(factors_path, json={"type": "totp"}, headers=headers)

    refused = fields(api.post(factors_path, json={"type": "totp", "totp_issuer": "X"}, headers=headers), 422)

    assert refused["code"] == "idempotency_key_reused"
    assert "new key" in refused["message"]
    assert count(api, factors_path) == 1


def test_the_same_key_on_another_path_is_another_request(
    api: httpx.Client, enrolled: Enrolled, factors_path: str
) -> None:
    headers = key()
    fields(api.post(factors_path, json={"type": "totp"}, headers=headers), 201)

    made = fields(api.post(f"/auth/factors/{enrolled.factor['id']}/challenge", headers=headers), 201)

    assert made["object"] == "authentication_challenge"


def test_the_same_key_of_another_api_key_is_another_request(
    server: Server, api: httpx.Client, stranger: Stranger, email: str
) -> None:
    headers = key()
    mine = fields(api.post("/user_management/users", json={"email": email}, headers=headers), 201)
    with server.client(stranger.key) as other:
        theirs = fields(other.post("/user_management/users", json={"email": email}, headers=headers), 201)

    assert mine["id"] != theirs["id"]


def test_a_refusal_is_not_kept(api: httpx.Client, factors_path: str) -> None:
    headers = key()
    fields(api.post(factors_path, json={"type": "sms"}, headers=headers), 422)

    fields(api.post(factors_path, json={"type": "totp"}, headers=headers), 201)

    assert count(api, factors_path) == 1


def test_an_overlong_key_is_refused(api: httpx.Client, factors_path: str) -> None:
    refused = fields(
        api.post(factors_path, json={"type": "totp"}, headers={"idempotency-key": "k" * 256}), 422
    )

    assert refused["errors"][0]["field"] == "Idempotency-Key"
    assert count(api, factors_path) == 0


@pytest.mark.parametrize("attempt", range(5))
def test_two_at_once_with_one_key_make_one_factor_and_get_the_same_bytes(
    server: Server, api: httpx.Client, factors_path: str, attempt: int
) -> None:
    headers, barrier = key(), Barrier(8)

    def send(_: int) -> bytes:
        with server.client() as own:
            own.get("/healthz")
            barrier.wait(timeout=30)
            answer = own.post(factors_path, json={"type": "totp"}, headers=headers)
        fields(answer, 201)
        return answer.content

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))

    assert len(set(answers)) == 1
    assert count(api, factors_path) == 1


def derived(path: str, body: Json) -> dict[str, str]:
    """Make the key that kotlin and java derive from the request itself."""
    return {"idempotency-key": "retry-" + hashlib.sha256(f"POST|{path}|{body}".encode()).hexdigest()}


@pytest.mark.timeout(120)
def test_a_key_derived_from_the_request_is_forgotten_soon_and_an_ordinary_one_is_not(
    api: httpx.Client, enrolled: Enrolled
) -> None:
    path, ordinary = f"/auth/factors/{enrolled.factor['id']}/challenge", key()
    kept = api.post(path, json={}, headers=ordinary).content
    first = api.post(path, json={}, headers=derived(path, {})).content

    # An identical call some seconds later is a new call: a person asks for another challenge.
    later = first
    for _ in range(60):
        time.sleep(1)
        later = api.post(path, json={}, headers=derived(path, {})).content
        if later != first:
            break

    assert later != first
    assert api.post(path, json={}, headers=ordinary).content == kept


def test_a_key_derived_from_the_request_is_replayed_at_once(api: httpx.Client, enrolled: Enrolled) -> None:
    path = f"/auth/factors/{enrolled.factor['id']}/challenge"
    answers = [api.post(path, json={}, headers=derived(path, {})) for _ in range(2)]

    assert answers[0].content == answers[1].content
