"""PHP's and Ruby's own HTTP clients say what they cannot decode: recorded rows can fail by it."""

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


def test_requests_and_answers_pass_unchanged(through: str) -> None:
    answers = [(201, {**JSON, "X-Request-Id": "r-1"}, b'{"a": "\xc3\xb6"}'), (204, {}, b"")]
    with answering(answers) as (url, came), httpx.Client(transport=Through(through)) as client:
        made = client.post(f"{url}/a?b=c", json={"d": "ö"}, headers={"authorization": "Bearer sk_x"})
        gone = client.delete(f"{url}/a")

    assert (made.status_code, made.json(), made.headers["x-request-id"]) == (201, {"a": "ö"}, "r-1")
    assert (gone.status_code, gone.content) == (204, b"")
    assert came[0]["authorization"] == "Bearer sk_x"
    assert came[0]["content-type"] == "application/json"


@pytest.mark.parametrize("body", [b"{", b"<html>"])
def test_what_that_language_cannot_decode_is_a_failure(through: str, body: bytes) -> None:
    with (
        answering([(200, JSON, body)]) as (url, _),
        httpx.Client(transport=Through(through)) as client,
        pytest.raises(RuntimeError, match="decodes no"),
    ):
        client.get(url)
