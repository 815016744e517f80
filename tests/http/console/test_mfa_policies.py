"""The form of the policy: what it shows, previews, saves, asks a code for, and refuses."""

import re

import pytest

from authfactor.models import Environment, EnvironmentOptions
from authfactor.rules.tenants.mfa_policies import document_of
from authfactor.wire.mfa_policies import SetMfaPolicy, SetPolicyMatch, SetPolicyRule
from tests.http.console.test_confirmation import CODE, STALE, asks_for_a_code
from tests.support.console import CLIENT, HOME, Browser, Console

PATH = f"{HOME}/mfa-policy"


async def stored(console: Console) -> Environment:
    return await console.af.read(console.af.environments.by_client_id(CLIENT))


async def form(console: Console, **fields: str) -> dict[str, str]:
    version = str((await stored(console)).updated_at)
    return {
        "policy": "if_enrolled",
        "totp": "1",
        "webauthn": "1",
        "recovery_code": "1",
        "updated_at": version,
        **fields,
    }


async def test_form_shows_what_it_has_saved(console: Console, owner: Browser) -> None:
    fields = await form(
        console,
        policy="required",
        grace_days="14",
        required_from="2027-01-31T09:00:00",
        rule_1_users="role = admin\r\nteam=ops",
        rule_1_policy="required",
        rule_1_totp="1",
        rule_3_users="@Example.org",
        rule_3_policy="off",
        rule_3_totp="1",
        rule_3_webauthn="1",
        rule_3_recovery_code="1",
    )
    saved = await owner.post(PATH, fields)
    assert saved.headers["location"] == f"{PATH}?done=saved"
    document = document_of(await stored(console))
    assert (document.policy, document.options.grace_days, document.options.methods) == ("required", 14, None)
    first, second = document.options.rules
    assert (first.metadata, first.methods) == ({"role": "admin", "team": "ops"}, ("totp",))
    assert (second.email_domain, second.policy) == ("example.org", "off")
    page = (await owner.get(PATH)).text
    assert "role = admin\nteam = ops</textarea>" in page
    assert "@example.org</textarea>" in page
    assert 'value="2027-01-31T09:00:00"' in page
    again = dict(re.findall(r'name="(\w+)"[^>]*value="([^"]*)"', page))
    assert again["grace_days"] == "14"
    (entry,) = [item for item in await actions(console) if item[0] == "mfa_policy.update"]
    assert entry[1] == CLIENT


async def test_form_leaves_trusted_devices_as_they_are(console: Console, owner: Browser) -> None:
    options = EnvironmentOptions(trusted_devices="allowed", trusted_device_days=7)
    await console.af.run(console.af.environments.update(await stored(console), options=options))
    before = document_of(await stored(console))
    saved = await owner.post(PATH, await form(console, policy="required"))
    assert saved.headers["location"] == f"{PATH}?done=saved"
    after = document_of(await stored(console))
    assert (after.policy, after[2:], before[2:]) == ("required", ("allowed", 7), ("allowed", 7))


async def actions(console: Console) -> list[tuple[str, str]]:
    rows = await console.af.read(lambda tx: tx.db.all("SELECT action, target FROM audit ORDER BY id"))
    return [(row[0], row[1]) for row in rows]


async def test_preview_counts_and_saves_nothing(console: Console, owner: Browser) -> None:
    await console.user()
    before = await stored(console)
    rule = {"rule_1_users": "@a.example", "rule_1_policy": "off", "rule_1_totp": "1"}
    fields = await form(console, policy="required", preview="1", **rule)
    page = await owner.post(PATH, fields)
    assert page.status_code == 200
    assert re.search(r"Must enroll before they can sign in</td><td class=\"number\">1<", page.text)
    assert "@a.example</textarea>" in page.text
    assert await stored(console) == before


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"policy": "sometimes"}, "choose a policy"),
        ({"policy": "required", "grace_days": "91"}, "grace_days: 0 to 90"),
        ({"policy": "required", "grace_days": "x"}, "days of grace: 0 to 90"),
        ({"policy": "required", "required_from": "soon"}, "required_from: an ISO 8601 time"),
        ({"grace_days": "3"}, "go with required only"),
        ({"rule_2_users": "admin", "rule_2_policy": "off"}, "Rule 2: for its users"),
        ({"rule_2_users": "", "rule_2_policy": "off"}, "Rule 2: for its users"),
        ({"rule_2_users": "@*", "rule_2_policy": "off"}, "a domain such as"),
        ({"rule_1_users": "role = admin", "rule_1_policy": ""}, "Rule 1: choose a policy"),
    ],
)
async def test_wrong_field_is_named_and_what_was_typed_stays(
    console: Console, owner: Browser, fields: dict[str, str], text: str
) -> None:
    before = await stored(console)
    kept = {"rule_4_users": "@kept.example", "rule_4_policy": "off", "rule_4_totp": "1"}
    page = await owner.post(PATH, await form(console, **kept, **fields))
    assert page.status_code == 422
    assert text in page.text
    assert "@kept.example</textarea>" in page.text
    assert await stored(console) == before


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"policy": "required", "grace_days": "20"}, True),
        ({"policy": "required", "grace_days": "9"}, False),
        ({"policy": "if_enrolled"}, True),
        ({"policy": "required", "rule_1_users": "@a.b", "rule_1_policy": "off", "rule_1_totp": "1"}, True),
        ({"policy": "required", "required_from": "2100-01-01T00:00:00"}, True),
    ],
)
async def test_weaker_policy_needs_a_recent_code(
    console: Console, owner: Browser, fields: dict[str, str], asked: bool
) -> None:
    strict = SetMfaPolicy(policy="required", grace_days=10)
    await console.af.run(console.af.mfa_policies.set(console.one, strict))
    console.clock.advance(STALE)
    sent = await form(console, **fields)
    before = await stored(console)
    page = await owner.post(PATH, sent)
    assert asks_for_a_code(page) == asked
    if asked:
        assert await stored(console) == before
        done = await owner.post(PATH, {**sent, CODE: console.code(owner.secret)})
        assert done.status_code == 303
    assert document_of(await stored(console)).policy == fields["policy"]


async def test_outdated_form_saves_nothing(console: Console, owner: Browser) -> None:
    sent = await form(console, policy="required")
    await console.af.run(console.af.environments.update(console.one, mfa_policy="off"))
    page = await owner.post(PATH, sent)
    assert page.status_code == 409
    assert "has been changed since" in page.text
    assert (await stored(console)).mfa_policy == "off"
    # Saved again, the form replaces only what its reader could have seen.
    assert (await owner.post(PATH, sent)).status_code == 409


async def test_rule_that_the_form_cannot_write_is_not_offered_for_change(
    console: Console, owner: Browser
) -> None:
    rule = SetPolicyRule(match=SetPolicyMatch(metadata={"a=b": "c\nd"}), policy="required")
    await console.af.run(console.af.mfa_policies.set(console.one, SetMfaPolicy(policy="off", rules=[rule])))
    page = (await owner.get(PATH)).text
    assert "this form cannot show" in page
    assert ">Save<" not in page


async def test_decisions_about_a_user(console: Console, owner: Browser) -> None:
    user = await console.user()
    await console.af.run(console.af.environments.update(console.one, mfa_policy="required"))
    path, page = f"{HOME}/users/{user.id}/mfa-policy", f"{HOME}/users/{user.id}"
    assert "Must enroll before they can sign in" in (await owner.get(page)).text
    for fields, text in (
        ({"decision": "exempt"}, "ends within 90 days"),
        ({"decision": "exempt", "days": "91"}, "within 90 days"),
        ({"decision": "grace", "days": "0"}, "1 to 90"),
        ({"decision": "grace", "days": "x"}, "a whole number"),
        ({"decision": "never"}, "Choose a decision"),
    ):
        refused = await owner.post(path, {**fields, "reason": "ticket 5"})
        assert (refused.status_code, text in refused.text) == (422, True), fields
        assert 'value="ticket 5"' in refused.text
    await owner.post(path, {"decision": "exempt", "days": "9", "reason": "<b>robot</b>"})
    shown = (await owner.get(page)).text
    assert "Exempt: needs no factor, until" in shown
    assert "&lt;b&gt;robot&lt;/b&gt;" in shown
    await owner.post(path, {"decision": "default", "reason": "done"})
    await owner.post(path, {"decision": "grace", "days": "7", "reason": "new phone"})
    assert "in grace</span>" in (await owner.get(page)).text
    console.clock.advance(STALE)
    asked = await owner.post(path, {"decision": "exempt", "days": "9", "reason": "x"})
    assert asks_for_a_code(asked)
