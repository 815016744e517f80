"""Dangerous actions of the console ask for a code, and then do what was submitted, once and nothing else."""

import re
from collections.abc import Awaitable, Callable

import httpx
import pytest

from authfactor.models import PageQuery
from authfactor.rules.console.roles import NEED_RECENT_AUTHENTICATION, OWN_ACCOUNT, Action
from tests.http.console.test_roles import FORMS, SUCCESS, Targets, contents, sign_in_as, targets
from tests.support.clock import MINUTE
from tests.support.console import HOME, Browser, Console

__all__ = ["sign_in_as", "targets"]

STALE = 5 * MINUTE
CODE = "confirmation_code"


def asks_for_a_code(response: httpx.Response) -> bool:
    return response.status_code == 403 and "Confirm with a code" in response.text


def hidden_fields(response: httpx.Response) -> dict[str, str]:
    """Return the fields that the page of the confirmation submits besides the code."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', response.text))


def action_of(response: httpx.Response) -> str:
    [path] = re.findall(r'<form method="post" action="([^"]+)" class="stack" data-once>', response.text)
    return str(path)


async def actions(console: Console, name: str) -> list[str | None]:
    """Return the reasons of the audit entries of an action, newest first."""
    page = await console.af.read(console.af.audit.page(PageQuery(), name))
    return [entry.reason for entry in page.items]


@pytest.mark.parametrize("action", sorted(NEED_RECENT_AUTHENTICATION - OWN_ACCOUNT))
async def test_dangerous_action_without_a_recent_code_changes_nothing_until_it_is_confirmed(
    console: Console, owner: Browser, targets: Targets, action: Action
) -> None:
    console.clock.advance(STALE)
    before = await contents(console)
    path, form = FORMS[action](targets)
    asked = await owner.post(path, {**form, "reason": "asked by phone"})
    assert asks_for_a_code(asked)
    assert await contents(console) == before
    assert action_of(asked) == path
    assert hidden_fields(asked) == {**form, "reason": "asked by phone"}
    done = await owner.post(path, {**hidden_fields(asked), CODE: console.code(owner.secret)})
    assert done.status_code in SUCCESS, done.text
    assert await actions(console, action) == ["asked by phone"]


@pytest.mark.parametrize("action", sorted(set(FORMS) - NEED_RECENT_AUTHENTICATION))
async def test_other_actions_never_ask_for_a_code(
    console: Console, owner: Browser, targets: Targets, action: Action
) -> None:
    console.clock.advance(STALE)
    path, form = FORMS[action](targets)
    done = await owner.post(path, {**form, "reason": "asked by phone"})
    assert done.status_code in SUCCESS, done.text


async def test_code_of_the_sign_in_counts_for_just_under_five_minutes(
    console: Console, owner: Browser
) -> None:
    await console.sign_in(owner)
    console.clock.advance(STALE - 31)
    assert (await owner.post(f"{HOME}/keys", {"name": "in time"})).status_code == 200
    console.clock.advance(1)
    assert asks_for_a_code(await owner.post(f"{HOME}/keys", {"name": "late"}))


async def test_confirmation_counts_for_five_minutes_in_this_session_alone(
    console: Console, owner: Browser
) -> None:
    other = console.stranger()
    other.email, other.secret = owner.email, owner.secret
    await console.sign_in(other)
    console.clock.advance(STALE)
    form = {"name": "shop", CODE: console.code(owner.secret)}
    assert (await owner.post(f"{HOME}/keys", form)).status_code == 200
    assert (await owner.post(f"{HOME}/keys", {"name": "again"})).status_code == 200
    assert asks_for_a_code(await other.post(f"{HOME}/keys", {"name": "elsewhere"}))
    console.clock.advance(STALE)
    assert asks_for_a_code(await owner.post(f"{HOME}/keys", {"name": "later"}))


async def test_clock_that_is_set_back_does_not_stretch_the_five_minutes(
    console: Console, owner: Browser
) -> None:
    console.clock.advance(-MINUTE)
    assert asks_for_a_code(await owner.post(f"{HOME}/keys", {"name": "shop"}))


async def test_copy_of_the_cookie_gains_nothing_from_a_confirmation(console: Console, owner: Browser) -> None:
    copied = owner.token()
    thief = console.stranger(cookie=f"operator={copied}")
    console.clock.advance(STALE)
    confirmed = await owner.post(f"{HOME}/keys", {"name": "shop", CODE: console.code(owner.secret)})
    assert confirmed.status_code == 200
    assert owner.token() not in {None, copied}
    cookie = confirmed.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert (await thief.get(HOME)).headers["location"] == "/console/sign-in"
    assert (await owner.get(HOME)).status_code == 200


@pytest.mark.parametrize("name", ["", " ", "123456"])
async def test_wrong_code_changes_nothing_and_asks_again(
    console: Console, owner: Browser, targets: Targets, name: str
) -> None:
    console.clock.advance(STALE)
    before = await contents(console)
    path, form = FORMS["operator.reset"](targets)
    response = await owner.post(path, {**form, "reason": "lost", CODE: name})
    assert "Confirm with a code" in response.text
    assert hidden_fields(response) == {**form, "reason": "lost"}
    after = await contents(console)
    # What a wrong code leaves: the count and an audit entry.
    for table in set(before) - {"failures", "audit"}:
        assert after[table] == before[table], table
    if name.strip():
        assert "This code is wrong." in response.text
        assert await actions(console, "operator.confirmation_refused") == ["wrong code"]


async def test_code_of_the_sign_in_is_not_accepted_again(console: Console, owner: Browser) -> None:
    console.clock.advance(STALE)
    code = console.code(owner.secret)
    form = {"email": owner.email, "password": "seven green bottles", "code": code}
    other = console.stranger()
    assert (await other.post("/console/sign-in", form)).status_code == 303
    response = await owner.post(f"{HOME}/keys", {"name": "shop", CODE: code})
    assert "used before" in response.text
    assert "sk_" not in response.text


async def test_code_is_not_spent_by_an_action_that_needs_none(console: Console, owner: Browser) -> None:
    code = console.code(owner.secret)
    assert (await owner.post(f"{HOME}/keys", {"name": "first", CODE: code})).status_code == 200
    console.clock.advance(STALE - 30)
    fresh = console.code(owner.secret)
    assert (await owner.post("/console/environments", {"name": "three", CODE: fresh})).status_code == 303
    assert (await owner.post(f"{HOME}/keys", {"name": "second", CODE: fresh})).status_code == 200


async def test_wrong_codes_count_with_those_of_the_sign_in_and_the_lock_ends_the_session(
    console: Console, owner: Browser
) -> None:
    console.clock.advance(STALE)
    for _ in range(5):
        await console.sign_in(console.stranger(), email=owner.email, code="000000")
    form = {"name": "shop", CODE: "000000"}
    for _ in range(4):
        assert "This code is wrong." in (await owner.post(f"{HOME}/keys", form)).text
    assert (await owner.get(HOME)).status_code == 200
    locked = await owner.post(f"{HOME}/keys", form)
    assert "You have been signed out" in locked.text
    assert (await owner.get(HOME)).headers["location"] == "/console/sign-in"
    assert "You can try again in 1" in (await console.sign_in(owner)).text
    assert len(await actions(console, "operator.locked")) == 1


async def test_lock_that_others_caused_does_not_end_the_session(console: Console, owner: Browser) -> None:
    for _ in range(10):
        await console.sign_in(console.stranger(), email=owner.email, code="000000")
    console.clock.advance(STALE - 300)
    response = await owner.post(f"{HOME}/keys", {"name": "shop", CODE: console.code(owner.secret)})
    assert response.status_code == 400
    assert "You can try again in" in response.text
    assert (await owner.get(HOME)).status_code == 200


async def test_permission_and_reason_are_checked_before_a_code(
    console: Console, owner: Browser, targets: Targets, sign_in_as: Callable[..., Awaitable[Browser]]
) -> None:
    viewer = await sign_in_as("viewer")
    console.clock.advance(STALE)
    path, form = FORMS["factor.reset"](targets)
    code = console.code(viewer.secret)
    refused = await viewer.post(path, {**form, "reason": "x", CODE: code})
    assert "does not allow this" in refused.text
    unreasoned = await owner.post(path, {**form, CODE: console.code(owner.secret)})
    assert (unreasoned.status_code, "A reason is required" in unreasoned.text) == (422, True)
    failures = "SELECT * FROM failures WHERE environment = 0"
    assert await console.af.read(lambda tx: tx.db.all(failures)) == []


async def test_conflict_after_a_confirmation_keeps_the_session(console: Console, owner: Browser) -> None:
    console.clock.advance(STALE)
    form = {"email": owner.email, "role": "viewer", CODE: console.code(owner.secret)}
    taken = await owner.post("/console/operators", form)
    assert (taken.status_code, "already exists" in taken.text) == (409, True)
    assert form[CODE] not in taken.text
    form = {"email": "lee@example.org", "role": "viewer"}
    assert (await owner.post("/console/operators", form)).status_code == 200


async def test_confirmation_for_something_that_is_gone_keeps_the_session(
    console: Console, owner: Browser
) -> None:
    console.clock.advance(STALE)
    form = {"reason": "x", CODE: console.code(owner.secret)}
    assert (await owner.post(f"{HOME}/users/user_x/reset", form)).status_code == 404
    assert (await owner.get(HOME)).status_code == 200


async def test_confirmation_shows_what_is_confirmed_for_whom_and_escapes_it(
    console: Console, owner: Browser, targets: Targets
) -> None:
    console.clock.advance(STALE)
    path, form = FORMS["factor.reset"](targets)
    page = await owner.post(path, {**form, "reason": '"><script>alert(1)</script>'})
    for text in ("Delete all factors of a user", "pat@example.com", "Reason"):
        assert text in page.text
    assert "<script>alert" not in page.text
    assert f'href="{HOME}/users/{targets.user}"' in page.text
    path, form = FORMS["operator.change_role"](targets)
    page = await owner.post(path, {**form, "reason": "x"})
    for text in ("lee@example.org", "<dd>owner</dd>", 'href="/console/operators"'):
        assert text in page.text
    path, form = FORMS["api_key.create"](targets)
    page = await owner.post(path, form)
    for text in ("Create an API key", "<dd>shop</dd>", f'href="{HOME}/keys"'):
        assert text in page.text
    unknown = await owner.post("/console/operators/operator_x/reset", {"reason": "x"})
    assert "operator_x" in unknown.text


@pytest.mark.parametrize(
    ("stored", "submitted", "asked"),
    [
        ("required", "if_enrolled", True),
        ("required", "off", True),
        ("if_enrolled", "off", True),
        ("off", "off", False),
        ("if_enrolled", "required", False),
        ("off", "required", False),
    ],
)
async def test_only_a_weaker_policy_needs_a_code(
    console: Console, owner: Browser, stored: str, submitted: str, asked: bool
) -> None:
    changed = await console.af.run(console.af.environments.update(console.one, mfa_policy=stored))  # type: ignore[arg-type]  # a policy's name
    console.clock.advance(STALE)
    form = {"name": "default", "team_name": "Acme", "mfa_policy": submitted}
    form["updated_at"] = str(changed.updated_at)
    response = await owner.post(f"{HOME}/settings", form)
    assert asks_for_a_code(response) == asked
    if asked:
        assert (await owner.post(f"{HOME}/settings", {**form, CODE: console.code(owner.secret)})).status_code
    [environment] = [
        found for found in await console.af.read(lambda tx: tx.environments.all()) if found.number == 1
    ]
    assert environment.mfa_policy == submitted


async def test_cross_site_confirmation_is_refused(console: Console, owner: Browser) -> None:
    console.clock.advance(STALE)
    form = {"name": "shop", CODE: console.code(owner.secret)}
    refused = await owner.post(f"{HOME}/keys", form, {"sec-fetch-site": "cross-site"})
    assert refused.status_code == 403
    assert "sk_" not in refused.text
    assert (await owner.post(f"{HOME}/keys", form)).status_code == 200


async def test_session_of_an_older_release_is_asked_for_a_code(console: Console, owner: Browser) -> None:
    await console.af.run(lambda tx: tx.db.run("UPDATE operator_sessions SET authenticated_at = NULL"))
    assert asks_for_a_code(await owner.post(f"{HOME}/keys", {"name": "shop"}))
