"""PHP's and Ruby's own HTTP clients report what they cannot decode, so that recorded rows can fail."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from conformance.recorded.through import CLIENTS, Through
from tests.client.test_retries import answering

JSON = {"content-type": "application/json"}


@pytest.fixture(params=sorted(CLIENTS))
def through(request: pytest.FixtureRequest, needs: Callable[[str], Path]) -> str:
    needs(request.param)
    return str(request.param)


def test_requests_and_responses_pass_unchanged(through: str) -> None:
    responses = [(201, {**JSON, "X-Request-Id": "r-1"}, b'{"a": "\xc3\xb6"}'), (204, {}, b"")]
    with answering(responses) as (url, received), httpx.Client(transport=Through(through)) as client:
        created = client.post(f"{url}/a?b=c", json={"d": "ö"}, headers={"authorization": "Bearer sk_x"})
        deleted = client.delete(f"{url}/a")

    assert (created.status_code, created.json(), created.headers["x-request-id"]) == (201, {"a": "ö"}, "r-1")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert received[0]["authorization"] == "Bearer sk_x"
    assert received[0]["content-type"] == "application/json"


@pytest.mark.parametrize("body", [b"{", b"<html>"])
def test_a_body_that_the_client_cannot_decode_is_a_failure(through: str, body: bytes) -> None:
    with (
        answering([(200, JSON, body)]) as (url, _),
        httpx.Client(transport=Through(through)) as client,
        pytest.raises(RuntimeError, match="decodes no"),
    ):
        client.get(url)
