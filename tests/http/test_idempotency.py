"""`Idempotency-Key` over HTTP: one effect and the same response bytes, however often the request is sent."""

import hashlib
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest

from tests.http.conftest import Enrolled, OtherEnvironment
from tests.support import authenticator
from tests.support.server_process import Json, Server, fields


def new_key() -> dict[str, str]:
    return {"idempotency-key": str(uuid.uuid4())}


def factor_count(api: httpx.Client, factors_path: str) -> int:
    return len(fields(api.get(factors_path, params={"limit": 100}), 200)["data"])


def test_retried_enrollment_creates_one_factor(api: httpx.Client, factors_path: str) -> None:
    headers = new_key()
    responses = [api.post(factors_path, json={"type": "totp"}, headers=headers) for _ in range(3)]

    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert {response.headers["content-type"] for response in responses} == {"application/json; charset=utf-8"}
    assert len({response.headers["x-request-id"] for response in responses}) == 3
    assert factor_count(api, factors_path) == 1


def test_retried_correct_code_is_valid_with_and_for_a_moment_without_the_key(
    api: httpx.Client, enrolled: Enrolled
) -> None:
    headers, body = new_key(), {"code": authenticator.code(enrolled.secret)}
    responses = [api.post(enrolled.verify_path, json=body, headers=headers) for _ in range(2)]

    assert fields(responses[0], 201)["valid"] is True
    assert responses[0].content == responses[1].content
    for more in (None, new_key()):
        assert api.post(enrolled.verify_path, json=body, headers=more).content == responses[0].content
    other = {"code": authenticator.wrong_code(enrolled.secret)}
    for different in (other, body):
        refused = fields(api.post(enrolled.verify_path, json=different), 422)
        assert refused["code"].endswith("previously_verified")
    # What is stored under the key outlives that.
    assert api.post(enrolled.verify_path, json=body, headers=headers).content == responses[0].content


def test_retried_wrong_code_is_counted_once(api: httpx.Client, enrolled: Enrolled) -> None:
    headers, body = new_key(), {"code": authenticator.wrong_code(enrolled.secret)}
    responses = [api.post(enrolled.verify_path, json=body, headers=headers) for _ in range(4)]

    assert len({response.content for response in responses}) == 1
    assert fields(api.post(enrolled.verify_path, json=body), 201)["attempts_remaining"] == 3


def test_retried_user_creation_creates_one_user(api: httpx.Client, email: str) -> None:
    headers = new_key()
    responses = [api.post("/user_management/users", json={"email": email}, headers=headers) for _ in range(2)]

    assert fields(responses[0], 201)["email"] == email
    assert responses[0].content == responses[1].content


def test_retried_challenge_creates_one_challenge(api: httpx.Client, enrolled: Enrolled) -> None:
    headers, path = new_key(), f"/auth/factors/{enrolled.factor['id']}/challenge"

    assert (
        api.post(path, json={}, headers=headers).content == api.post(path, json={}, headers=headers).content
    )
    assert api.post(path, json={}).content != api.post(path, json={}).content


def test_reused_key_with_another_body_is_refused(api: httpx.Client, factors_path: str) -> None:
    headers = new_key()
    api.post(factors_path, json={"type": "totp"}, headers=headers)

    refused = fields(api.post(factors_path, json={"type": "totp", "totp_issuer": "X"}, headers=headers), 422)

    assert refused["code"] == "idempotency_key_reused"
    assert "new key" in refused["message"]
    assert factor_count(api, factors_path) == 1


def test_same_key_on_another_path_is_a_new_request(
    api: httpx.Client, enrolled: Enrolled, factors_path: str
) -> None:
    headers = new_key()
    fields(api.post(factors_path, json={"type": "totp"}, headers=headers), 201)

    created = fields(api.post(f"/auth/factors/{enrolled.factor['id']}/challenge", headers=headers), 201)

    assert created["object"] == "authentication_challenge"


def test_same_key_in_another_environment_is_a_new_request(
    server: Server, api: httpx.Client, other_environment: OtherEnvironment, email: str
) -> None:
    headers = new_key()
    ours = fields(api.post("/user_management/users", json={"email": email}, headers=headers), 201)
    with server.client(other_environment.key) as foreign_api:
        theirs = fields(
            foreign_api.post("/user_management/users", json={"email": email}, headers=headers), 201
        )

    assert ours["id"] != theirs["id"]


def test_error_response_is_not_stored_for_the_key(api: httpx.Client, factors_path: str) -> None:
    headers = new_key()
    fields(api.post(factors_path, json={"type": "sms"}, headers=headers), 422)

    fields(api.post(factors_path, json={"type": "totp"}, headers=headers), 201)

    assert factor_count(api, factors_path) == 1


def test_overlong_key_is_refused(api: httpx.Client, factors_path: str) -> None:
    refused = fields(
        api.post(factors_path, json={"type": "totp"}, headers={"idempotency-key": "k" * 256}), 422
    )

    assert refused["errors"][0]["field"] == "Idempotency-Key"
    assert factor_count(api, factors_path) == 0


@pytest.mark.parametrize("attempt", range(5))
def test_concurrent_requests_with_one_key_create_one_factor(
    server: Server, api: httpx.Client, factors_path: str, attempt: int
) -> None:
    headers, barrier = new_key(), Barrier(8)

    def send(_: int) -> bytes:
        with server.client() as client:
            client.get("/healthz")
            barrier.wait(timeout=30)
            response = client.post(factors_path, json={"type": "totp"}, headers=headers)
        fields(response, 201)
        return response.content

    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(send, range(8)))

    assert len(set(responses)) == 1
    assert factor_count(api, factors_path) == 1


def derived_key(path: str, body: Json) -> dict[str, str]:
    """Return the key that the Kotlin and Java SDKs derive from the request itself."""
    return {"idempotency-key": "retry-" + hashlib.sha256(f"POST|{path}|{body}".encode()).hexdigest()}


@pytest.mark.timeout(120)
def test_request_derived_key_expires_before_an_ordinary_key(api: httpx.Client, enrolled: Enrolled) -> None:
    path, ordinary = f"/auth/factors/{enrolled.factor['id']}/challenge", new_key()
    stored = api.post(path, json={}, headers=ordinary).content
    first = api.post(path, json={}, headers=derived_key(path, {})).content

    # An identical request some seconds later is a new one: the user asked for another challenge.
    later = first
    for _ in range(60):
        time.sleep(1)
        later = api.post(path, json={}, headers=derived_key(path, {})).content
        if later != first:
            break

    assert later != first
    assert api.post(path, json={}, headers=ordinary).content == stored


def test_request_derived_key_replays_an_immediate_retry(api: httpx.Client, enrolled: Enrolled) -> None:
    path = f"/auth/factors/{enrolled.factor['id']}/challenge"
    responses = [api.post(path, json={}, headers=derived_key(path, {})) for _ in range(2)]

    assert responses[0].content == responses[1].content
