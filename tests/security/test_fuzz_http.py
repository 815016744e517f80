"""schemathesis reads the server's OpenAPI document and sends valid and invalid requests."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.server_process import API_KEY, Server, assert_no_surprise

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "4"))
QUICK: Final = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
HEADERS: Final = {"authorization": f"Bearer {API_KEY}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("fuzzed") / "data")
    made.start()
    try:
        yield made
    except BaseException:
        made.kill()
        raise
    assert made.stop() == 0
    assert_no_surprise(made)


@pytest.mark.timeout(300 + 10 * EXAMPLES)
def test_no_operation_returns_5xx_or_hangs(server: Server, tmp_path: Path) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]  # an invalid one fails here
    assert len(operations) > 20
    statuses: dict[str, set[int]] = {}
    faults: list[str] = []

    for operation in operations:

        @QUICK
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:  # noqa: ANN401 - generated
            response = case.call(base_url=server.url, headers=HEADERS, timeout=20, allow_redirects=False)
            statuses.setdefault(case.operation.label, set()).add(response.status_code)
            assert response.status_code < 500, f"{case!r}: {response.text}"

        try:
            send()
        except AssertionError as fault:  # the other operations are still tested
            faults.append(f"{operation.label}: {fault}")
    assert faults == []
    assert len(statuses) == len(operations)


@pytest.mark.timeout(60 + 5 * EXAMPLES)
@QUICK
@given(cursor=st.text(max_size=60), field=st.sampled_from(["after", "before", "limit", "order", "email"]))
def test_any_cursor_gets_a_page_or_a_422(server: Server, cursor: str, field: str) -> None:
    with server.client() as client:
        response = client.get("/user_management/users", params={field: cursor})
    assert response.status_code in {200, 422}
