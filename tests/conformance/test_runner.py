"""The conformance run can fail: each fault of a proxied server fails the steps that it should."""

from collections.abc import Iterator
from typing import Final

import pytest

from conformance.matrix import Outcome
from conformance.rows import CACHE, RECORDED, SDKS, Row
from conformance.run import SETTINGS, walk
from tests.support import http_fault_proxy
from tests.support.server_process import Server, running
from tests.support.skip_or_fail import skip_or_fail

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(150)]
# The asynchronous Python client decodes responses with the same classes as the blocking one.
WALKED: Final = [row for row in SDKS if not row.name.endswith("async")]
# These SDKs decode fewer empty bodies: JavaScript's none after DELETE, the others named here none at all.
READ_NOTHING: Final[dict[str, list[str]]] = {
    "js 7.82.0": ["sessions"],
    "js 11.0.0": ["sessions"],
    "python 10.8.0": [],
    "go 6.5.0": [],
    "java 7.2.0": [],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("conformance"), SETTINGS) as server:
        yield server


@pytest.fixture(params=WALKED, ids=[row.name for row in WALKED])
def row(request: pytest.FixtureRequest) -> Row:
    row: Row = request.param
    if row.environment and not (CACHE / row.environment).is_dir():
        reason = f"`make conformance` has not created {row.environment} yet"
        skip_or_fail(reason)
    return row


def walk_through(fault: http_fault_proxy.Fault, row: Row, server: Server) -> Outcome:
    with http_fault_proxy.spoiling(server.url, fault) as url:
        outcome = walk(row, url)
    assert not outcome.missing
    print(outcome.reasons)  # noqa: T201 - shown with a failed test
    return outcome


def test_a_correct_server_fails_no_step(server: Server, row: Row) -> None:
    outcome = walk_through(http_fault_proxy.without_fault, row, server)

    assert outcome.passed, outcome.reasons


def test_a_challenge_without_expiry_fails_enroll(server: Server, row: Row) -> None:
    assert walk_through(http_fault_proxy.without_expiry, row, server).failed == ["enroll"]


def test_a_bare_factor_fails_enroll(server: Server, row: Row) -> None:
    outcome = walk_through(http_fault_proxy.bare_factor, row, server)

    assert {"enroll", "enroll own", "verify"} <= set(outcome.failed)
    assert {"create user", "wrong key"}.isdisjoint(outcome.failed)


def test_errors_as_strings_fail_bad_secret(server: Server, row: Row) -> None:
    assert walk_through(http_fault_proxy.errors_as_strings, row, server).failed == ["bad secret"]


def test_an_empty_json_body_fails_the_steps_that_read_it(server: Server, row: Row) -> None:
    failed = walk_through(http_fault_proxy.empty_body_labeled_json, row, server).failed

    assert failed == READ_NOTHING.get(row.name, ["sessions", "delete", "delete user"])


def test_a_code_accepted_twice_fails_replay(server: Server, row: Row) -> None:
    failed = walk_through(http_fault_proxy.replay_allowed(), row, server).failed

    assert failed == ["replay", "recovery code"]


@pytest.mark.parametrize(
    ("fault", "steps"),
    [
        (http_fault_proxy.without_expiry, {"enroll", "enroll own", "verify", "challenge"}),
        (http_fault_proxy.bare_factor, {"enroll", "enroll own"}),
        (http_fault_proxy.errors_as_strings, {"bad secret"}),
        (http_fault_proxy.empty_body_labeled_json, {"delete", "delete user"}),
        (http_fault_proxy.replay_allowed(), {"recovery code"}),
    ],
)
def test_a_recorded_row_fails_where_its_sdk_would(
    server: Server, fault: http_fault_proxy.Fault, steps: set[str]
) -> None:
    row = next(row for row in RECORDED if row.name.startswith("java 7"))
    failed = walk_through(fault, row, server).failed

    assert steps <= set(failed)
    assert {"create user", "list", "jwks"}.isdisjoint(failed)
