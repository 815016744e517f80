"""The policy of an environment over HTTP: a whole document, checked strictly, previewed, and reported."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from authfactor import errors
from authfactor.models import EnvironmentOptions
from authfactor.rules.tenants import policy_documents
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.tenants.mfa_policies import document_of
from authfactor.rules.tenants.policy_outcomes import MAX_COUNTS
from authfactor.wire.mfa_policies import SetMfaPolicy
from tests.http.sign_in.test_grace import POLICY, decide, later, put
from tests.support.application import Application, Json
from tests.support.clock import DAY
from tests.support.server_process import fields

PREVIEW, COVERAGE = f"{POLICY}/preview", "/authfactor/reports/mfa_coverage"
RULE = {"match": {"metadata": {"role": "admin"}}, "policy": "required"}
MATCH = "rules[0].match"


def matching(**match: Any) -> Json:  # noqa: ANN401 - right and wrong members
    return {"policy": "off", "rules": [{"match": match, "policy": "required"}]}


async def test_document_is_returned_as_it_was_set_and_can_be_sent_back(application: Application) -> None:
    read = fields(await application.api.get(POLICY), 200)
    assert read == {
        "object": "mfa_policy",
        "policy": "if_enrolled",
        "required_from": None,
        "grace_days": 0,
        "methods": None,
        "rules": [],
        "trusted_devices": "off",
        "trusted_device_days": 30,
        "updated_at": read["updated_at"],
    }
    stored = await put(
        application,
        policy="required",
        required_from="2027-01-31T00:00:00+01:00",
        grace_days=14,
        methods=["recovery_code", "totp"],
        rules=[
            {**RULE, "grace_days": 90, "methods": ["totp"]},
            {"match": {"email_domain": "EXAMPLE.org"}, "policy": "off"},
        ],
    )
    assert stored["required_from"] == "2027-01-30T23:00:00.000Z"
    assert stored["methods"] == ["totp", "recovery_code"]
    assert stored["rules"] == [
        {**RULE, "required_from": None, "grace_days": 90, "methods": ["totp"]},
        {
            "match": {"email_domain": "example.org"},
            "policy": "off",
            "required_from": None,
            "grace_days": 0,
            "methods": None,
        },
    ]
    read = fields(await application.api.get(POLICY), 200)
    assert read == stored
    again = fields(await application.api.put(POLICY, json=read), 200)
    assert {**again, "updated_at": read["updated_at"]} == read
    outdated = fields(await application.api.put(POLICY, json=read), 409)
    assert outdated["code"] == "changed_since"
    # Whole: what is absent gets its default.
    assert (await put(application, policy="off"))["rules"] == []


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "policy"),
        ({"policy": None}, "policy"),
        ({"policy": "always"}, "policy"),
        ({"policy": "required", "grace": 3}, "body"),
        ({"policy": "required", "trusted_device_days": 0}, "trusted_device_days"),
        ({"policy": "required", "trusted_device_days": 91}, "trusted_device_days"),
        ({"policy": "required", "trusted_device_days": "9"}, "trusted_device_days"),
        ({"policy": "required", "trusted_devices": "always"}, "trusted_devices"),
        ({"policy": "required", "grace_days": 91}, "grace_days"),
        ({"policy": "required", "grace_days": -1}, "grace_days"),
        ({"policy": "required", "grace_days": "9"}, "grace_days"),
        ({"policy": "if_enrolled", "grace_days": 9}, "policy"),
        ({"policy": "off", "required_from": "2027-01-01"}, "policy"),
        ({"policy": "required", "required_from": "tomorrow"}, "required_from"),
        ({"policy": "required", "required_from": "0001-01-01T00:00:00+14:00"}, "required_from"),
        ({"policy": "required", "methods": []}, "methods"),
        ({"policy": "required", "methods": ["recovery_code"]}, "methods"),
        ({"policy": "required", "methods": ["totp", "sms"]}, "methods"),
        ({"policy": "required", "methods": ["totp", 1]}, "methods[1]"),
        ({"policy": "off", "rules": [RULE] * 21}, "rules"),
        ({"policy": "off", "rules": [{"policy": "off"}]}, "rules[0]"),
        ({"policy": "off", "rules": [{**RULE, "when": 1}]}, "rules[0]"),
        (matching(), MATCH),
        (matching(metadata={"a": "b"}, email_domain="a.b"), MATCH),
        (matching(metadata={"a": "b"}, name="kim"), MATCH),
        (matching(metadata={}), f"{MATCH}.metadata"),
        (matching(metadata={"a": ""}), f"{MATCH}.metadata"),
        (matching(metadata={"a": 1}), f"{MATCH}.metadata[...]"),
        (matching(email_domain="*.example.org"), f"{MATCH}.email_domain"),
        (matching(email_domain="org"), f"{MATCH}.email_domain"),
        (matching(email_domain=".example.org"), f"{MATCH}.email_domain"),
        (matching(email_domain="example.org."), f"{MATCH}.email_domain"),
        (matching(email_domain="example.org,example.com"), f"{MATCH}.email_domain"),
        (matching(email_domain="https://example.org"), f"{MATCH}.email_domain"),
        ({"policy": "off", "rules": [RULE, {**RULE, "grace_days": 99}]}, "rules[1].grace_days"),
        ({"policy": "off", "updated_at": "yesterday"}, "updated_at"),
        ({"policy": "off", "object": "policy"}, "object"),
    ],
)
async def test_wrong_document_is_refused_and_named(
    application: Application, document: Json, field: str
) -> None:
    before = fields(await application.api.get(POLICY), 200)
    for method, path in (("PUT", POLICY), ("POST", PREVIEW)):
        if path == PREVIEW and field == "updated_at":
            continue
        body = fields(await application.api.request(method, path, json=document), 422)
        assert [item["field"] for item in body["errors"]] == [field]
    assert fields(await application.api.get(POLICY), 200) == before


async def test_trusted_devices_are_of_the_document_and_go_with_one_that_leaves_them_out(
    application: Application,
) -> None:
    stored = await put(application, policy="required", trusted_devices="allowed", trusted_device_days=7)
    assert (stored["trusted_devices"], stored["trusted_device_days"]) == ("allowed", 7)
    options = options_of(await application.environment())
    assert (options.trusted_devices, options.trusted_device_days) == ("allowed", 7)
    since = options.trusted_devices_since
    application.clock.advance(60)
    again = await put(application, policy="off", trusted_devices="allowed")
    assert (again["trusted_devices"], again["trusted_device_days"]) == ("allowed", 30)
    assert options_of(await application.environment()).trusted_devices_since == since
    left_out = await put(application, policy="off")
    assert (left_out["trusted_devices"], left_out["trusted_device_days"]) == ("off", 30)
    # On again: devices from before stay ended.
    await put(application, policy="off", trusted_devices="allowed")
    assert options_of(await application.environment()).trusted_devices_since > since + 60_000


@pytest.mark.parametrize(
    ("before", "after", "weaker"),
    [
        ({}, {"trusted_devices": "allowed"}, True),
        ({"trusted_devices": "allowed"}, {"trusted_devices": "allowed"}, False),
        ({"trusted_devices": "allowed"}, {"trusted_devices": "allowed", "trusted_device_days": 31}, True),
        ({"trusted_devices": "allowed"}, {"trusted_devices": "allowed", "trusted_device_days": 29}, False),
        ({"trusted_devices": "allowed"}, {}, False),
        ({}, {"trusted_device_days": 90}, False),
    ],
)
def test_document_that_trusts_devices_more_is_weaker(before: Json, after: Json, weaker: bool) -> None:
    old, new = (policy_documents.check(SetMfaPolicy(policy="required", **given)) for given in (before, after))
    assert new.is_weaker(old) is weaker


@pytest.mark.parametrize("body", ["{", "[1]", '"off"', "null", '{"policy": "off"'])
async def test_what_is_no_document_is_refused(application: Application, body: str) -> None:
    for method, path in (("PUT", POLICY), ("POST", PREVIEW)):
        answer = await application.api.request(method, path, content=body)
        assert answer.status_code in {400, 422}
        assert answer.json()["code"] in {"invalid_json", "unprocessable_entity", "invalid_request_parameters"}


async def test_change_is_an_event_and_an_audit_entry_and_keeps_other_options(
    application: Application,
) -> None:
    environment = await application.environment()
    redirects = EnvironmentOptions(("https://example.org/",))
    await application.af.run(application.af.environments.update(environment, options=redirects))
    user = await application.user()
    await decide(application, user, policy="required", reason="ticket 7")
    await put(application, policy="required", grace_days=3, rules=[RULE])
    (event,) = await application.events("authfactor.policy_changed")
    assert event["data"] == {
        "policy": "required",
        "previous_policy": "if_enrolled",
        "required_from": None,
        "grace_days": 3,
        "rules": 1,
    }
    await put(application, policy="required", grace_days=3, rules=[RULE])
    assert len(await application.events("authfactor.policy_changed")) == 1
    stored = (await application.environment()).options
    assert '"https://example.org/"' in stored
    assert '"users_differ":true' in stored
    entries = application.sql("SELECT action, target, reason FROM audit ORDER BY id")
    client_id = environment.client_id
    assert entries[-3:] == [
        ("user.set_mfa_policy", user["id"], "ticket 7"),
        ("mfa_policy.update", client_id, None),
        ("mfa_policy.update", client_id, None),
    ]


async def test_older_ways_to_set_the_policy_emit_the_event_and_keep_the_document(
    application: Application,
) -> None:
    await put(application, policy="required", grace_days=3)
    await application.configure("off")
    events = await application.events("authfactor.policy_changed")
    assert [event["data"]["policy"] for event in events] == ["required", "off"]
    assert (await application.api.get(POLICY)).json()["grace_days"] == 3


async def all_kinds(application: Application) -> list[Json]:
    """Create users of all kinds; return them."""
    await application.configure("off")
    made: list[Json] = []
    for metadata in ({}, {"role": "admin"}, {"role": "guest"}):
        made += [
            await application.user(metadata=metadata),
            await application.member(metadata=metadata),
            await application.user(metadata=metadata, email=f"{len(made)}@partner.example"),
            await application.user(
                metadata=metadata, email=f"v{len(made)}@partner.example", email_verified=True
            ),
        ]
    pending = await application.user()
    await application.enroll(pending)
    exempt, strict, former, exempt_member = [
        await application.user(),
        await application.user(),
        await application.member(),
        await application.member(),
    ]
    for user in (exempt, exempt_member):
        await decide(application, user, policy="exempt", until=later(application, 80), reason="x")
    await decide(application, strict, policy="required")
    listed = fields(await application.api.get(f"/authfactor/users/{former['id']}/factors"), 200)
    await application.api.delete(f"/auth/factors/{listed['data'][0]['id']}")
    return [*made, pending, exempt, strict, former, exempt_member]


DOCUMENTS: list[dict[str, Any]] = [
    {"policy": "off"},
    {"policy": "if_enrolled"},
    {"policy": "required"},
    {"policy": "required", "grace_days": 5},
    {"policy": "required", "required_from": "2100-01-01T00:00:00Z"},
    {
        "policy": "if_enrolled",
        "rules": [
            {"match": {"email_domain": "partner.example"}, "policy": "off"},
            {**RULE, "grace_days": 5},
            {"match": {"metadata": {"role": "guest"}}, "policy": "required"},
        ],
    },
]


@pytest.mark.parametrize("document", DOCUMENTS)
async def test_preview_tells_what_sign_ins_then_do(application: Application, document: Json) -> None:
    users = await all_kinds(application)
    preview = fields(await application.api.post(PREVIEW, json=document), 200)
    assert application.sql("SELECT count(*) FROM user_mfa_policies WHERE grace_until IS NOT NULL") == [(0,)]
    await put(application, **document)
    done: Counter[str] = Counter()
    for user in users:
        explained = await application.api.get(f"/authfactor/users/{user['id']}/mfa_policy")
        outcome = fields(explained, 200)["outcome"]
        answer = await application.password(user)
        code = answer.json().get("code")
        expected = {
            "code": (403, "mfa_challenge"),
            "must_enroll": (403, "mfa_enrollment"),
        }.get(outcome, (200, None))
        assert (answer.status_code, code) == expected, (user, outcome)
        assert ("mfa" in answer.json()) == (outcome == "in_grace")
        done[outcome] += 1
    assert preview["users"] == len(users)
    assert preview["complete"] is True
    assert {name: count for name, count in preview["outcomes"].items() if count} == done


async def test_coverage_counts_methods_grace_and_exemptions(application: Application) -> None:
    member, user = await application.member(), await application.user()
    late, exempt = await application.user(), await application.user()
    await application.api.post(f"/authfactor/users/{member['id']}/recovery_codes")
    await put(application, policy="required", grace_days=5)
    await application.password(late)
    application.clock.advance(5 * DAY)
    await application.password(user)
    await decide(application, exempt, policy="exempt", until=later(application, 3), reason="x")
    report = fields(await application.api.get(COVERAGE), 200)
    assert report == {
        "object": "mfa_coverage",
        "users": 4,
        "complete": True,
        "enrolled": {"totp": 1, "recovery_code": 1},
        "in_grace": 1,
        "overdue": 1,
        "exempt": 1,
        "outcomes": {
            "not_asked": 0,
            "password_only": 0,
            "exempt": 1,
            "code": 1,
            "in_grace": 1,
            "must_enroll": 1,
        },
    }
    other = fields(await application.other.get(COVERAGE), 200)
    assert other["users"] == 0


async def fill(application: Application, users: int) -> None:
    insert = (
        "INSERT INTO users (environment, id, email, email_verified, metadata, created_at, updated_at,"
        " email_key) VALUES ($1, $2, $3, 0, '{}', 1, 1, $3)"
    )

    async def run(tx: Any) -> None:  # noqa: ANN401 - a transaction
        for number in range(users):
            await tx.db.run(insert, 1, f"user_{number:05}", f"{number}@example.org")

    await application.af.run(run)


async def test_fifty_counts_at_once_leave_other_environments_their_turn(application: Application) -> None:
    await fill(application, 1201)
    af, environment = application.af, await application.environment()
    document = document_of(environment)
    counts = [af.mfa_policies.outcomes.count(af.store, environment, document) for _ in range(50)]
    found = asyncio.gather(*counts, return_exceptions=True)
    other = fields(await application.other.get(COVERAGE), 200)
    assert other["users"] == 0
    refused = [error for error in await found if isinstance(error, errors.Unavailable)]
    assert len(refused) == 50 - MAX_COUNTS
    # Those that have ended, and those that were refused, no longer count.
    assert fields(await application.api.get(COVERAGE), 200)["users"] == 1201


async def test_count_ends_at_its_limit_and_lets_requests_run_in_between(application: Application) -> None:
    await fill(application, 1201)
    af, environment = application.af, await application.environment()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    counts = await af.mfa_policies.outcomes.count(af.store, environment, document_of(environment), 1200)
    task.cancel()
    assert (counts.users, counts.complete) == (1200, False)
    assert turns >= 2
    counts = await af.mfa_policies.outcomes.count(af.store, environment, document_of(environment), 1201)
    assert (counts.users, counts.complete) == (1201, True)
