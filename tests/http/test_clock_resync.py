"""Resync of a factor over HTTP, and what a late code answers."""

import httpx
import pytest

from tests.http.conftest import Enrolled, OtherEnvironment
from tests.support import authenticator
from tests.support.server_process import Server, fields


def at(enrolled: Enrolled, step: int) -> str:
    return authenticator.code_at(enrolled.secret, authenticator.current_step() + step)


def pair(enrolled: Enrolled, first: int) -> dict[str, list[str]]:
    step = authenticator.current_step() + first
    return {"codes": [authenticator.code_at(enrolled.secret, step + later) for later in (0, 1)]}


def resync_path(enrolled: Enrolled) -> str:
    return f"/authfactor/factors/{enrolled.factor['id']}/resync"


def challenge(api: httpx.Client, enrolled: Enrolled) -> str:
    made = fields(api.post(f"/auth/factors/{enrolled.factor['id']}/challenge"), 201)
    return f"/auth/challenges/{made['id']}/verify"


@pytest.fixture
def active(api: httpx.Client, enrolled: Enrolled) -> Enrolled:
    assert fields(api.post(enrolled.verify_path, json={"code": at(enrolled, -1)}), 201)["valid"]
    return enrolled


def test_phone_that_is_ahead_is_resynced_and_accepted(api: httpx.Client, active: Enrolled) -> None:
    ahead = {"code": at(active, 13)}
    refused = fields(api.post(challenge(api, active), json=ahead), 201)
    assert (refused["reason"], "offset_seconds" in refused) == ("code_mismatch", False)
    resynced = fields(api.post(resync_path(active), json=pair(active, 10)), 200)
    assert (resynced["id"], resynced["state"]) == (active.factor["id"], "active")
    assert resynced["last_used_at"] is not None
    assert fields(api.post(challenge(api, active), json={"code": at(active, 12)}), 201)["valid"]
    events = fields(api.get("/events", params={"events": "authfactor.factor_resynced"}), 200)["data"]
    data = next(each["data"] for each in events if each["data"]["factor_id"] == active.factor["id"])
    assert data["user_id"] == active.user["id"]
    assert data["offset_seconds"] in {300, 330}  # the step may have changed


def test_late_code_tells_how_far_the_clock_is_off(api: httpx.Client, active: Enrolled) -> None:
    refused = fields(api.post(challenge(api, active), json={"code": at(active, -5)}), 201)
    assert refused["reason"] == "clock_drift"
    assert refused["offset_seconds"] in {-150, -180}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"codes": ["123456"]}, "codes_invalid"),
        ({"codes": ["123456", "12345x"]}, "codes_invalid"),
        ({}, "codes_invalid"),
        ({"codes": ["000000", "000000"]}, "codes_mismatch"),
    ],
)
def test_pair_that_is_refused_names_why(
    api: httpx.Client, active: Enrolled, body: dict[str, list[str]], code: str
) -> None:
    refused = fields(api.post(resync_path(active), json=body), 422)
    assert [(item["field"], item["code"]) for item in refused["errors"]] == [("codes", code)]


def test_pair_is_used_once_and_pending_factors_have_none(api: httpx.Client, enrolled: Enrolled) -> None:
    pending = fields(api.post(resync_path(enrolled), json=pair(enrolled, 0)), 422)
    assert pending["errors"][0]["code"] == "factor_not_active"
    assert fields(api.post(enrolled.verify_path, json={"code": at(enrolled, -1)}), 201)["valid"]
    body = pair(enrolled, 3)
    assert api.post(resync_path(enrolled), json=body).status_code == 200
    again = fields(api.post(resync_path(enrolled), json=body), 422)
    assert again["errors"][0]["code"] == "codes_already_used"


def test_lost_answer_is_repeated_under_its_idempotency_key(api: httpx.Client, active: Enrolled) -> None:
    body, headers = pair(active, 3), {"idempotency-key": active.factor["id"]}
    answers = [api.post(resync_path(active), json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content


def test_other_environment_cannot_resync(
    server: Server, other_environment: OtherEnvironment, active: Enrolled
) -> None:
    with server.client(other_environment.key) as other:
        assert other.post(resync_path(active), json=pair(active, 3)).status_code == 404


def test_wrong_pairs_lock_with_the_status_of_wrong_codes(api: httpx.Client, active: Enrolled) -> None:
    statuses = [
        api.post(resync_path(active), json={"codes": ["000000", "000000"]}).status_code for _ in range(11)
    ]
    assert statuses == [422] * 10 + [400]
    locked = fields(api.post(resync_path(active), json=pair(active, 3)), 400)
    assert locked["code"] == "one_time_code_too_many_attempts"
    assert locked["locked_until"] is not None
