"""Rules, methods, and decisions about single users: every grant obeys them, at no cost where none apply."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from authfactor.store.sqlite.connection import SqliteDb
from tests.http.sign_in.test_grace import deadline, decide, later, must_enroll, put
from tests.support.application import SECRET, Application, Json, Pending, claims, refused
from tests.support.authenticator import PERIOD
from tests.support.clock import DAY
from tests.support.server_process import fields

UNCOUNTED = ("_keys", "deliveries", "turns", "idempotency", "diagnostics", "sqlite_")
ADMINS = {"metadata": {"role": "admin"}}


async def change(application: Application, user: Json, **fields_: Any) -> None:  # noqa: ANN401 - any field
    path = f"/user_management/users/{user['id']}"
    fields(await application.api.put(path, json=fields_), 200)


async def explain(application: Application, user: Json) -> Json:
    return fields(await application.api.get(f"/authfactor/users/{user['id']}/mfa_policy"), 200)


async def test_first_rule_that_matches_counts(application: Application) -> None:
    rules = [
        {"match": {"metadata": {"role": "admin", "team": "ops"}}, "policy": "off"},
        {"match": ADMINS, "policy": "required"},
        {"match": {"metadata": {"role": "admin"}}, "policy": "off"},
    ]
    await put(application, policy="if_enrolled", rules=rules)
    admin = await application.user(metadata={"role": "admin"})
    ops = await application.user(metadata={"role": "admin", "team": "ops"})
    other = await application.user(metadata={"role": "Admin"})
    must_enroll(await application.password(admin))
    assert (await application.password(ops)).status_code == 200
    assert (await application.password(other)).status_code == 200
    assert [(await explain(application, user))["rule"] for user in (admin, ops, other)] == [1, 0, None]


async def test_rule_by_domain_ignores_case_and_leaves_out_subdomains(application: Application) -> None:
    rule = {"match": {"email_domain": "Bücher.example"}, "policy": "required"}
    await put(application, policy="if_enrolled", rules=[rule])
    for email, status in (
        ("kim@XN--BCHER-KVA.example", 403),
        ("a@bücher.example", 403),
        ("kim@sub.bücher.example", 200),
        ("kim@bücher.example.org", 200),
    ):
        user = await application.user(email=email)
        assert (await application.password(user)).status_code == status, email


@pytest.mark.parametrize(
    "weaker",
    [
        {"policy": "off"},
        {"policy": "if_enrolled"},
        {"policy": "required", "grace_days": 30},
        {"policy": "required", "required_from": "2030-01-01T00:00:00Z"},
    ],
)
async def test_unverified_email_chooses_no_weaker_policy(application: Application, weaker: Json) -> None:
    rule = {"match": {"email_domain": "partner.example"}, **weaker}
    await put(application, policy="required", rules=[rule])
    user = await application.user(email="kim@partner.example")
    must_enroll(await application.password(user))
    await change(application, user, email_verified=True)
    assert (await application.password(user)).status_code == 200


@pytest.mark.parametrize("policy", ["off", "if_enrolled"])
@pytest.mark.parametrize("methods", [None, ["totp", "recovery_code"]])
async def test_rule_that_requires_more_counts_for_an_unverified_email_without_more_methods(
    application: Application, policy: str, methods: list[str] | None
) -> None:
    rule = {"match": {"email_domain": "staff.example"}, "policy": "required", "methods": methods}
    await put(application, policy=policy, methods=["totp"], rules=[rule])
    user = await application.user(email="kim@staff.example")
    refused = await application.password(user)
    must_enroll(refused)
    assert refused.json()["methods"] == ["totp"]
    await change(application, user, email_verified=True)
    refused = await application.password(user)
    must_enroll(refused)
    assert refused.json().get("methods") == methods


async def test_unverified_email_leaves_a_kind_of_factor_where_the_methods_have_none_in_common(
    application: Application,
) -> None:
    rule = {"match": {"email_domain": "staff.example"}, "policy": "required", "methods": ["webauthn"]}
    await put(application, policy="if_enrolled", methods=["totp"], rules=[rule])
    user = await application.user(email="kim@staff.example")
    refused = await application.password(user)
    must_enroll(refused)
    assert refused.json()["methods"] == ["totp"]


async def test_unverified_email_does_not_skip_a_stricter_rule(application: Application) -> None:
    rules = [
        {"match": {"email_domain": "partner.example"}, "policy": "if_enrolled"},
        {"match": ADMINS, "policy": "required"},
    ]
    await put(application, policy="if_enrolled", rules=rules)
    admin = await application.user(email="kim@partner.example", metadata={"role": "admin"})
    must_enroll(await application.password(admin))


async def test_refresh_obeys_a_rule_that_begins_to_match(application: Application) -> None:
    await put(application, policy="if_enrolled", rules=[{"match": ADMINS, "policy": "required"}])
    application.clock.advance(60)
    user = await application.user()
    tokens = await application.sign_in(user)
    tokens = fields(await application.refresh(tokens["refresh_token"]), 200)
    await change(application, user, metadata={"role": "admin"})
    must_enroll(await application.refresh(tokens["refresh_token"]))


async def test_refresh_obeys_a_rule_that_no_longer_turns_mfa_off(application: Application) -> None:
    await put(application, policy="if_enrolled", rules=[{"match": ADMINS, "policy": "off"}])
    application.clock.advance(60)
    user = await application.member(metadata={"role": "admin"})
    application.clock.advance(60)
    tokens = await application.sign_in(user)
    application.clock.advance(60)
    await change(application, user, metadata={"role": "reader"})
    assert fields(await application.refresh(tokens["refresh_token"]), 403)["code"] == "mfa_challenge"


async def test_exemption_lets_a_user_without_a_factor_in_until_it_ends(application: Application) -> None:
    user, member = await application.user(), await application.member()
    await put(application, policy="required")
    for each in (user, member):
        await decide(
            application, each, policy="exempt", until=later(application, 2), reason="service account"
        )
    tokens = fields(await application.password(user), 200)
    assert "mfa" not in tokens
    assert (await explain(application, user))["outcome"] == "exempt"
    tokens = fields(await application.refresh(tokens["refresh_token"]), 200)
    # It is no exemption from a factor that there is.
    assert fields(await application.password(member), 403)["code"] == "mfa_challenge"
    event = (await application.events("authfactor.exempted"))[0]
    assert event["data"]["user_id"] == user["id"]
    assert event["data"]["reason"] == "service account"
    application.clock.advance(2 * DAY)
    must_enroll(await application.refresh(tokens["refresh_token"]))
    must_enroll(await application.password(user))
    shown = await explain(application, user)
    assert (shown["policy"], shown["until"], shown["reason"]) == ("default", None, None)


@pytest.mark.parametrize(
    ("decision", "field"),
    [
        ({"policy": "exempt", "reason": "x"}, "until"),
        ({"policy": "exempt", "until": 90.01, "reason": "x"}, "until"),
        ({"policy": "exempt", "until": 0, "reason": "x"}, "until"),
        ({"policy": "exempt", "until": 9}, "reason"),
        ({"policy": "exempt", "until": 9, "reason": " \t"}, "reason"),
        ({"policy": "default", "until": 9}, "until"),
        ({"policy": "required", "until": -1}, "until"),
        ({"policy": "default", "grace_until": 91, "reason": "x"}, "grace_until"),
        ({"policy": "default", "grace_until": 9}, "reason"),
        ({"policy": "default", "reason": "x" * 301}, "reason"),
        ({"policy": "never"}, "policy"),
        ({"policy": None}, "policy"),
        ({"policy": "exempt", "until": "tomorrow", "reason": "x"}, "until"),
        ({"policy": "default", "expires": 1}, "body"),
    ],
)
async def test_decision_without_end_or_reason_is_refused(
    application: Application, decision: Json, field: str
) -> None:
    user = await application.user()
    times = {
        name: later(application, value) if isinstance(value, int | float) else value
        for name, value in decision.items()
        if name in {"until", "grace_until"}
    }
    path = f"/authfactor/users/{user['id']}/mfa_policy"
    body = fields(await application.api.put(path, json={**decision, **times}), 422)
    assert [item["field"] for item in body["errors"]] == [field]
    assert application.sql("SELECT count(*) FROM user_mfa_policies") == [(0,)]


@pytest.mark.parametrize("policy", ["off", "if_enrolled"])
async def test_factor_required_of_one_user_alone(application: Application, policy: str) -> None:
    user, other = await application.user(), await application.user()
    await put(application, policy=policy)
    application.clock.advance(60)
    tokens = await application.sign_in(user)
    await decide(application, user, policy="required", reason="owner")
    must_enroll(await application.password(user))
    must_enroll(await application.refresh(tokens["refresh_token"]))
    assert (await application.password(other)).status_code == 200
    assert (await explain(application, user))["source"] == "user"
    path = f"/authfactor/users/{user['id']}/mfa_policy"
    assert (await application.api.delete(path)).status_code == 204
    assert (await application.password(user)).status_code == 200
    await application.enroll(user, totp_secret=SECRET)
    await decide(application, user, policy="required", until=later(application, 200))
    assert fields(await application.password(user), 403)["code"] == "mfa_challenge"


async def test_policy_of_a_user_needs_the_users_environment(application: Application) -> None:
    user = await application.user()
    path = f"/authfactor/users/{user['id']}/mfa_policy"
    for method, body in (("GET", None), ("PUT", {"policy": "required"}), ("DELETE", None)):
        answer = await application.other.request(method, path, json=body)
        assert fields(answer, 404)["code"] == "entity_not_found"
    assert application.sql("SELECT count(*) FROM user_mfa_policies") == [(0,)]


async def recovery_code(application: Application, user: Json) -> str:
    made = await application.api.post(f"/authfactor/users/{user['id']}/recovery_codes")
    return str(fields(made, 201)["codes"][0])


async def imported_recovery_code(application: Application, user: Json) -> str:
    """One of few bits, whose attempts are counted."""
    body = {"codes": ["k7x9q2ab"]}
    fields(await application.api.put(f"/authfactor/users/{user['id']}/recovery_codes", json=body), 200)
    return body["codes"][0]


@pytest.mark.parametrize("make", [recovery_code, imported_recovery_code])
async def test_recovery_code_that_the_policy_leaves_out_is_neither_accepted_nor_spent(
    application: Application, make: Callable[[Application, Json], Awaitable[str]]
) -> None:
    user = await application.member()
    code = await make(application, user)
    await put(application, policy="if_enrolled", methods=["totp"])
    pending = await application.begin(user)
    body = refused(await application.answer(pending, code), "invalid_one_time_code")
    assert body["reason"] == "method_not_allowed"
    verified = await application.api.post(f"/auth/challenges/{pending.challenge}/verify", json={"code": code})
    assert (verified.json()["valid"], verified.json()["reason"]) == (False, "method_not_allowed")
    refused(await application.password(user, code=code), "invalid_credentials")
    assert application.sql("SELECT count(*) FROM recovery_codes WHERE used_at IS NOT NULL") == [(0,)]
    attempts = f"SELECT attempts FROM challenges WHERE id = '{pending.challenge}'"  # noqa: S608 - an id
    assert application.sql(attempts) == [(0,)]
    assert (await application.answer(pending)).status_code == 200
    application.clock.advance(PERIOD)
    await put(application, policy="if_enrolled")
    assert (await application.answer(await application.begin(user), code)).status_code == 200


async def test_recovery_code_of_an_exempt_user_counts(application: Application) -> None:
    user = await application.member()
    code = await recovery_code(application, user)
    await put(application, policy="required", methods=["totp"])
    await decide(application, user, policy="exempt", until=later(application, 1), reason="lost phone")
    assert (await application.answer(await application.begin(user), code)).status_code == 200


async def make_passkey(application: Application, but: str = "") -> None:
    """Turn factors into those of a kind that is not served yet."""
    statement = "UPDATE factors SET type = 'webauthn' WHERE environment = $1 AND id <> $2"
    await application.af.run(lambda tx: tx.db.run(statement, 1, but))


async def test_factor_of_another_kind_does_not_satisfy_the_methods(application: Application) -> None:
    user = await application.member()
    await put(application, policy="if_enrolled")
    pending = await application.begin(user)
    await make_passkey(application)
    await put(application, policy="if_enrolled", methods=["totp"], rules=[])
    body = must_enroll(await application.password(user))
    assert body["methods"] == ["totp"]
    body = refused(await application.answer(pending), "invalid_one_time_code")
    assert body["reason"] == "method_not_allowed"
    refused(await application.password(user, code=application.code()), "invalid_credentials")
    path = f"/auth/factors/{pending.body['authentication_factors'][0]['id']}/challenge"
    challenge = fields(await application.api.post(path), 201)
    answer = await application.password(
        user, code=application.code(), authentication_challenge_id=challenge["id"]
    )
    refused(answer, "invalid_credentials")
    # Enrolling by the password alone would go around the factor that there is.
    made = await application.enroll(user)
    new = {
        "pending_authentication_token": must_enroll(await application.password(user))[
            "pending_authentication_token"
        ],
        "authentication_challenge": made["authentication_challenge"],
    }
    secret = made["authentication_factor"]["totp"]["secret"]
    refused(await application.answer(Pending(new, secret)), "invalid_one_time_code")
    application.sql("UPDATE factors SET type = 'totp' WHERE user_id = ?", user["id"])
    await put(application, policy="if_enrolled", methods=["webauthn"], rules=[])
    body = refused(await application.answer(pending), "invalid_one_time_code")
    assert body["reason"] == "method_not_allowed"
    await decide(application, user, policy="exempt", until=later(application, 1), reason="lost phone")
    assert fields(await application.password(user), 403)["code"] == "mfa_challenge"
    assert (await application.answer(pending)).status_code == 200


async def test_challenge_is_of_a_factor_that_the_policy_allows(application: Application) -> None:
    user = await application.member()
    allowed = await application.enroll(user, totp_secret=SECRET[::-1])
    await application.enroll(user, totp_secret=SECRET[::-1][:20] + SECRET[:12])
    await make_passkey(application, but=allowed["authentication_factor"]["id"])
    await put(application, policy="required", methods=["totp"])
    body = fields(await application.password(user), 403)
    assert [each["id"] for each in body["authentication_factors"]] == [allowed["authentication_factor"]["id"]]
    tokens = fields(await application.answer(Pending(body, SECRET[::-1])), 200)
    assert claims(tokens)["amr"] == ["pwd", "otp", "mfa"]
    application.clock.advance(PERIOD)
    with_code = await application.password(user, code=application.code(SECRET[::-1]))
    assert with_code.status_code == 200


class Statements:
    """The statements that SQLite connections of this process run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        for name in ("one", "all", "run", "run_while_matched"):
            monkeypatch.setattr(SqliteDb, name, self._noted(getattr(SqliteDb, name)))

    def _noted(self, method: Any) -> Any:  # noqa: ANN401 - a method of any signature
        async def call(connection: SqliteDb, *arguments: Any) -> Any:  # noqa: ANN401 - as above
            steps = arguments if isinstance(arguments[0], tuple) else [arguments]
            # Keys are cached, and tasks in the background run when they like.
            texts = [str(step[0]) for step in steps]
            self.seen += [text for text in texts if not any(name in text for name in UNCOUNTED)]
            return await method(connection, *arguments)

        return call

    async def of(self, request: Any) -> int:  # noqa: ANN401 - any awaitable
        """Count the statements of a request that succeeds or asks for a factor."""
        self.seen.clear()
        response = await request
        assert response.status_code in {200, 403}
        return len(self.seen)


@pytest.fixture
def sqlite_alone(application: Application) -> None:
    if application.af.settings.database_url:
        pytest.skip("counted on SQLite")


@pytest.mark.usefixtures("sqlite_alone")
async def test_sign_ins_run_no_more_statements_than_without_a_document(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, member = await application.user(), await application.member()
    rules = [{"match": {"email_domain": "else.example"}, "policy": "required"}]
    statements = Statements(monkeypatch)

    async def counts() -> list[int]:
        tokens = fields(await application.password(plain), 200)
        application.clock.advance(1)
        found = [
            await statements.of(application.password(plain)),
            await statements.of(application.refresh(tokens["refresh_token"])),
            await statements.of(application.password(member)),
        ]
        pending = await application.begin(member)
        found.append(await statements.of(application.answer(pending)))
        application.clock.advance(PERIOD)
        found.append(await statements.of(application.password(member, code=application.code())))
        application.clock.advance(PERIOD)
        return found

    application.clock.advance(60)
    without = await counts()
    await put(application, policy="if_enrolled", rules=rules)
    application.clock.advance(60)
    assert await counts() == without == [12, 6, 9, 15, 20], "see decision 0045"
    assert not any("user_mfa_policies" in each for each in statements.seen)
    await put(application, policy="required", grace_days=3, rules=rules)
    await application.password(plain)
    assert await statements.of(application.password(plain)) == without[0] + 1
    assert deadline(await application.password(plain))
