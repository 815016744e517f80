"""Every role against every action, by requests that no button sends: the rules decide."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from authfactor.models import PageQuery, Role
from authfactor.rules.console.roles import ACTIONS, ALLOWED, NEED_REASON, Action, NotAllowed
from authfactor.rules.unit import Scope
from authfactor.wire.webhooks import CreateWebhookEndpoint
from tests.support.console import HOME, OTHER_CLIENT, Browser, Console

EVERY_TABLE = (
    "environments",
    "api_keys",
    "users",
    "factors",
    "failures",
    "sessions",
    "webhook_endpoints",
    "deliveries",
    "operators",
    "operator_links",
    "links",
    "brandings",
    "audit",
)


@dataclass(frozen=True)
class Things:
    """One thing of each kind to act on."""

    user: str
    factor: str
    session: str
    key: str
    endpoint: str
    delivery: str
    operator: str


# What a form for the action sends: path and fields.
FORMS: dict[Action, Callable[[Things], tuple[str, dict[str, str]]]] = {
    "environment.create": lambda _: ("/console/environments", {"name": "three"}),
    "environment.update": lambda _: (
        f"{HOME}/settings",
        {"name": "renamed", "team_name": "New", "mfa_policy": "required"},
    ),
    "api_key.create": lambda _: (f"{HOME}/keys", {"name": "shop"}),
    "api_key.revoke": lambda things: (f"{HOME}/keys/{things.key}/revoke", {}),
    "user.unlock": lambda things: (f"{HOME}/users/{things.user}/unlock", {}),
    "user.delete": lambda things: (f"{HOME}/users/{things.user}/delete", {}),
    "session.revoke": lambda things: (f"{HOME}/users/{things.user}/sessions/{things.session}/revoke", {}),
    "factor.enroll": lambda things: (f"{HOME}/users/{things.user}/enroll", {}),
    "factor.reset": lambda things: (f"{HOME}/users/{things.user}/reset", {}),
    "factor.delete": lambda things: (f"{HOME}/users/{things.user}/factors/{things.factor}/delete", {}),
    "webhook_endpoint.create": lambda _: (
        f"{HOME}/webhooks",
        {"endpoint_url": "http://127.0.0.1:9/other", "event:user.created": "1"},
    ),
    "webhook_endpoint.update": lambda things: (f"{HOME}/webhooks/{things.endpoint}/disable", {}),
    "webhook_endpoint.delete": lambda things: (f"{HOME}/webhooks/{things.endpoint}/delete", {}),
    "delivery.resend": lambda things: (f"{HOME}/deliveries/{things.delivery}/resend", {}),
    "operator.invite": lambda _: ("/console/operators", {"email": "new@example.org", "role": "owner"}),
    "operator.reset": lambda things: (f"/console/operators/{things.operator}/reset", {}),
    "operator.change_role": lambda things: (
        f"/console/operators/{things.operator}/role",
        {"role": "owner"},
    ),
    "operator.disable": lambda things: (f"/console/operators/{things.operator}/disable", {}),
}
SHOWN = {200, 303}


@pytest.fixture
async def things(console: Console, owner: Browser) -> Things:
    af, one = console.af, console.one
    endpoint = await af.run(
        af.webhooks.create(
            one, CreateWebhookEndpoint(endpoint_url="http://127.0.0.1:9/hook", events=["user.created"])
        )
    )
    user = await console.user()
    enrolled = await console.enroll(user)
    await console.lock(enrolled)
    prepared = await af.sessions.prepare(
        af.store, one, user.id, amr="pwd", now=console.clock.now, ip_address=None, user_agent=None
    )
    await af.run(lambda tx: af.sessions.start(Scope(tx, one, console.clock.now), user, prepared))
    key, _ = await af.run(af.environments.new_key(one, "first"))
    [delivery] = [row[0] for row in await af.read(lambda tx: tx.db.all("SELECT id FROM deliveries"))]
    [session] = [row[0] for row in await af.read(lambda tx: tx.db.all("SELECT id FROM sessions"))]
    operator, _ = await af.run(af.operators.invite("lee@example.org", "viewer"))
    return Things(user.id, enrolled.factor.id, session, key.id, endpoint.id, delivery, operator.id)


async def contents(console: Console) -> dict[str, list[tuple[object, ...]]]:
    """Everything that an action could change."""
    return {
        table: await console.af.read(
            lambda tx, table=table: tx.db.all(f"SELECT * FROM {table} ORDER BY 1, 2")  # type: ignore[misc]  # noqa: S608 - names from above
        )
        for table in EVERY_TABLE
    }


@pytest.fixture
def sign_in_as(console: Console, owner: Browser) -> Callable[[Role], Awaitable[Browser]]:
    async def sign_in(role: Role) -> Browser:
        return owner if role == "owner" else await console.operator(role)

    return sign_in


def test_every_action_has_a_form_here() -> None:
    assert set(ACTIONS) == set(FORMS)


def test_support_unlocks_and_resets_and_viewers_only_look() -> None:
    assert {
        "owner": frozenset(ACTIONS),
        "support": frozenset({"user.unlock", "factor.reset"}),
        "viewer": frozenset(),
    } == ALLOWED


@pytest.mark.parametrize(
    ("role", "action"), [(role, action) for role in ALLOWED for action in FORMS if action in ALLOWED[role]]
)
async def test_a_role_does_what_it_may(
    console: Console,
    things: Things,
    sign_in_as: Callable[[Role], Awaitable[Browser]],
    role: Role,
    action: Action,
) -> None:
    browser = await sign_in_as(role)
    before = await contents(console)
    path, form = FORMS[action](things)
    answer = await browser.post(path, {**form, "reason": "asked by phone"})
    assert answer.status_code in SHOWN, answer.text
    assert await contents(console) != before
    [entry] = (await console.af.read(console.af.audit.page(PageQuery(), action))).items
    assert (entry.actor, entry.actor_kind) == (browser.email, "operator")
    assert entry.reason == "asked by phone"
    assert entry.target
    assert entry.environment == (1 if path.startswith(HOME) else None)


@pytest.mark.parametrize("role", ["support", "viewer"])
async def test_a_role_does_nothing_else(
    console: Console, things: Things, sign_in_as: Callable[[Role], Awaitable[Browser]], role: Role
) -> None:
    browser = await sign_in_as(role)
    before = await contents(console)
    for action, make in FORMS.items():
        if action not in ALLOWED[role]:
            path, form = make(things)
            answer = await browser.post(path, {**form, "reason": "asked by phone"})
            assert (answer.status_code, action) == (403, action)
            assert "does not allow this" in answer.text
    assert await contents(console) == before


async def test_without_a_reason_nothing_is_done(console: Console, owner: Browser, things: Things) -> None:
    before = await contents(console)
    for action in sorted(NEED_REASON):
        path, form = FORMS[action](things)
        answer = await owner.post(path, {**form, "reason": "  "})
        assert (answer.status_code, action) == (422, action)
        assert "A reason is required" in answer.text
    assert await contents(console) == before


async def test_a_form_of_another_site_does_nothing(console: Console, owner: Browser, things: Things) -> None:
    before = await contents(console)
    for action, make in FORMS.items():
        path, form = make(things)
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"referer": "http://127.0.0.1:8080/console"},
        ):
            answer = await owner.post(path, {**form, "reason": "x"}, headers)
            assert (answer.status_code, action) == (403, action)
    assert await contents(console) == before


async def test_an_operator_who_was_demoted_meanwhile_may_do_nothing_more(
    console: Console, owner: Browser, things: Things
) -> None:
    lee = await console.operator("owner", "second@example.org")
    seat = await console.af.operator_sign_in.context_of(console.af.store, lee.token() or "")
    assert seat is not None
    unit = console.af.console_actions.act(
        seat,
        "user.delete",
        console.af.users.delete(console.one, things.user),
        environment=console.one,
        target=things.user,
        reason="x",
    )
    await console.af.run(console.af.operators.change_role(seat.operator.id, "support"))
    before = await contents(console)
    with pytest.raises(NotAllowed):
        await console.af.run(unit)
    assert await contents(console) == before


async def test_an_id_of_another_environment_is_an_unknown_id(
    console: Console, owner: Browser, things: Things
) -> None:
    before = await contents(console)
    tried = 0
    for action, make in FORMS.items():
        path, form = make(things)
        if path.startswith(HOME) and path.count("/") > HOME.count("/") + 1:
            tried += 1
            elsewhere = path.replace(HOME, f"/console/e/{OTHER_CLIENT}")
            answer = await owner.post(elsewhere, {**form, "reason": "x"})
            assert (answer.status_code, action) == (404, action)
    assert tried >= 9
    assert await contents(console) == before
