"""Every role against every action, by direct requests: the rules enforce permissions, not the buttons."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import pytest

from authfactor.models import PageQuery, Role
from authfactor.rules.console.roles import ACTIONS, ALLOWED, NEED_REASON, OWN_ACCOUNT, Action, NotAllowed
from authfactor.rules.unit import Scope
from authfactor.wire.senders import SetMailSender, SetMessageWebhook
from authfactor.wire.webhooks import CreateWebhookEndpoint
from tests.support.console import HOME, OTHER_CLIENT, Browser, Console

TABLES = (
    "environments",
    "api_keys",
    "users",
    "factors",
    "failures",
    "sessions",
    "redirect_uris",
    "trusted_devices",
    "webhook_endpoints",
    "deliveries",
    "messages",
    "senders",
    "send_limits",
    "operators",
    "operator_links",
    "links",
    "brandings",
    "user_mfa_policies",
    "audit",
)


@dataclass(frozen=True)
class Targets:
    """The ids of one object of each kind to act on."""

    user: str
    factor: str
    session: str
    device: str
    key: str
    endpoint: str
    delivery: str
    operator: str
    redirect_uri: str
    # What the forms were rendered from.
    environment_version: str
    operator_version: str


SENDER: Final = {
    "kind": "webhook",
    "url": "http://127.0.0.1:9/mail",
    "interval_seconds": "30",
    "per_hour": "5",
    "per_day": "10",
    "environment_per_hour": "100",
}
# The path and fields that a form for the action sends.
FORMS: dict[Action, Callable[[Targets], tuple[str, dict[str, str]]]] = {
    "environment.create": lambda _: ("/console/environments", {"name": "three"}),
    "environment.update": lambda targets: (
        f"{HOME}/settings",
        {
            "name": "renamed",
            "team_name": "New",
            "mfa_policy": "required",
            "updated_at": targets.environment_version,
        },
    ),
    "mfa_policy.update": lambda targets: (
        f"{HOME}/mfa-policy",
        {"policy": "required", "totp": "1", "updated_at": targets.environment_version},
    ),
    "user.set_mfa_policy": lambda targets: (
        f"{HOME}/users/{targets.user}/mfa-policy",
        {"decision": "exempt", "days": "9"},
    ),
    "api_key.create": lambda _: (f"{HOME}/keys", {"name": "shop"}),
    "api_key.revoke": lambda targets: (f"{HOME}/keys/{targets.key}/revoke", {}),
    "user.unlock": lambda targets: (f"{HOME}/users/{targets.user}/unlock", {}),
    "user.delete": lambda targets: (f"{HOME}/users/{targets.user}/delete", {}),
    "session.revoke": lambda targets: (f"{HOME}/users/{targets.user}/sessions/{targets.session}/revoke", {}),
    "link.create": lambda targets: (f"{HOME}/users/{targets.user}/factors-link", {}),
    "trusted_device.revoke": lambda targets: (
        f"{HOME}/users/{targets.user}/devices/{targets.device}/revoke",
        {},
    ),
    "factor.enroll": lambda targets: (f"{HOME}/users/{targets.user}/enroll", {}),
    "factor.reset": lambda targets: (f"{HOME}/users/{targets.user}/reset", {}),
    "factor.rename": lambda targets: (
        f"{HOME}/users/{targets.user}/factors/{targets.factor}/rename",
        {"factor_name": "Phone"},
    ),
    "factor.delete": lambda targets: (f"{HOME}/users/{targets.user}/factors/{targets.factor}/delete", {}),
    "redirect_uri.create": lambda _: (f"{HOME}/redirect-uris", {"uri": "https://app.example.org/new"}),
    "redirect_uri.update": lambda targets: (f"{HOME}/redirect-uris/{targets.redirect_uri}/default", {}),
    "redirect_uri.delete": lambda targets: (f"{HOME}/redirect-uris/{targets.redirect_uri}/delete", {}),
    "webhook_endpoint.create": lambda _: (
        f"{HOME}/webhooks",
        {"endpoint_url": "http://127.0.0.1:9/other", "event:user.created": "1"},
    ),
    "webhook_endpoint.update": lambda targets: (f"{HOME}/webhooks/{targets.endpoint}/disable", {}),
    "webhook_endpoint.delete": lambda targets: (f"{HOME}/webhooks/{targets.endpoint}/delete", {}),
    "webhook_endpoint.ping": lambda targets: (f"{HOME}/webhooks/{targets.endpoint}/ping", {}),
    "delivery.resend": lambda targets: (f"{HOME}/deliveries/{targets.delivery}/resend", {}),
    "sender.set": lambda _: (f"{HOME}/sender", SENDER),
    "sender.test": lambda _: (f"{HOME}/sender/test", {"to": "ann@example.org"}),
    "sender.delete": lambda _: (f"{HOME}/sender/delete", {}),
    "operator.invite": lambda _: ("/console/operators", {"email": "new@example.org", "role": "owner"}),
    "operator.reset": lambda targets: (f"/console/operators/{targets.operator}/reset", {}),
    "operator.change_role": lambda targets: (
        f"/console/operators/{targets.operator}/role",
        {"role": "owner", "updated_at": targets.operator_version},
    ),
    "operator.disable": lambda targets: (f"/console/operators/{targets.operator}/disable", {}),
}
SUCCESS = {200, 303}


@pytest.fixture
async def targets(console: Console, owner: Browser) -> Targets:
    af, environment = console.af, console.one
    endpoint = await af.run(
        af.webhooks.create(
            environment,
            CreateWebhookEndpoint(endpoint_url="http://127.0.0.1:9/hook", events=["user.created"]),
        )
    )
    user = await console.user()
    enrolled = await console.enroll(user)
    await console.lock(enrolled)
    prepared = await af.sessions.prepare(
        af.store, environment, user.id, amr="pwd", now=console.clock.now, ip_address=None, user_agent=None
    )
    await af.run(lambda tx: af.sessions.start(Scope(tx, environment, console.clock.now), user, prepared))
    device = await af.run(
        lambda tx: af.trusted_devices.tokens.make(
            Scope(tx, environment, console.clock.now),
            user,
            "session_1",
            name=None,
            ip_address=None,
            user_agent=None,
        )
    )
    key, _ = await af.run(af.environments.new_key(environment, "first"))
    [delivery] = [row[0] for row in await af.read(lambda tx: tx.db.all("SELECT id FROM deliveries"))]
    [session] = [row[0] for row in await af.read(lambda tx: tx.db.all("SELECT id FROM sessions"))]
    operator, _ = await af.run(af.operators.invite("lee@example.org", "viewer"))
    await af.run(af.redirect_uris.add(environment, "https://app.example.org/default"))
    uri = await af.run(af.redirect_uris.add(environment, "https://app.example.org/second"))
    sender = SetMailSender(kind="webhook", webhook=SetMessageWebhook("http://127.0.0.1:9/mail"))
    await af.run(af.senders.set(environment, sender))
    changed = await af.read(lambda tx: tx.environments.by_number(environment.number))
    assert changed is not None
    versions = (str(changed.updated_at), str(operator.updated_at))
    return Targets(
        *(user.id, enrolled.factor.id, session, device.device.id),
        *(key.id, endpoint.id, delivery, operator.id, uri.id),
        *versions,
    )


async def contents(console: Console) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of every table that an action could change."""
    return {
        table: await console.af.read(
            lambda tx, table=table: tx.db.all(f"SELECT * FROM {table} ORDER BY 1, 2")  # type: ignore[misc]  # noqa: S608 - names from above
        )
        for table in TABLES
    }


@pytest.fixture
def sign_in_as(console: Console, owner: Browser) -> Callable[[Role], Awaitable[Browser]]:
    async def sign_in(role: Role) -> Browser:
        return owner if role == "owner" else await console.operator(role)

    return sign_in


def test_every_action_is_covered_by_a_form() -> None:
    # The own account's are in `test_passkeys`.
    assert set(ACTIONS) == set(FORMS) | OWN_ACCOUNT


def test_support_may_unlock_and_reset_and_viewers_nothing() -> None:
    assert {
        "owner": frozenset(ACTIONS),
        "support": OWN_ACCOUNT | {"user.unlock", "factor.reset"},
        "viewer": OWN_ACCOUNT,
    } == ALLOWED


@pytest.mark.parametrize(
    ("role", "action"), [(role, action) for role in ALLOWED for action in FORMS if action in ALLOWED[role]]
)
async def test_allowed_action_takes_effect_and_is_audited(
    console: Console,
    targets: Targets,
    sign_in_as: Callable[[Role], Awaitable[Browser]],
    role: Role,
    action: Action,
) -> None:
    browser = await sign_in_as(role)
    before = await contents(console)
    path, form = FORMS[action](targets)
    response = await browser.post(path, {**form, "reason": "asked by phone"})
    assert response.status_code in SUCCESS, response.text
    assert await contents(console) != before
    [entry] = (await console.af.read(console.af.audit.page(PageQuery(), action))).items
    assert (entry.actor, entry.actor_kind) == (browser.email, "operator")
    assert entry.reason == "asked by phone"
    assert entry.target
    assert entry.environment == (1 if path.startswith(HOME) else None)


@pytest.mark.parametrize("role", ["support", "viewer"])
async def test_forbidden_action_is_refused_without_effect(
    console: Console, targets: Targets, sign_in_as: Callable[[Role], Awaitable[Browser]], role: Role
) -> None:
    browser = await sign_in_as(role)
    before = await contents(console)
    for action, build_form in FORMS.items():
        if action not in ALLOWED[role]:
            path, form = build_form(targets)
            response = await browser.post(path, {**form, "reason": "asked by phone"})
            assert (response.status_code, action) == (403, action)
            assert "does not allow this" in response.text
    assert await contents(console) == before


async def test_action_without_a_reason_is_refused(console: Console, owner: Browser, targets: Targets) -> None:
    before = await contents(console)
    for action in sorted(NEED_REASON):
        path, form = FORMS[action](targets)
        response = await owner.post(path, {**form, "reason": "  "})
        assert (response.status_code, action) == (422, action)
        assert "A reason is required" in response.text
    assert await contents(console) == before


async def test_cross_site_form_is_refused(console: Console, owner: Browser, targets: Targets) -> None:
    before = await contents(console)
    for action, build_form in FORMS.items():
        path, form = build_form(targets)
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"referer": "http://127.0.0.1:8080/console"},
        ):
            response = await owner.post(path, {**form, "reason": "x"}, headers)
            assert (response.status_code, action) == (403, action)
    assert await contents(console) == before


async def test_action_of_a_just_demoted_operator_is_refused(
    console: Console, owner: Browser, targets: Targets
) -> None:
    lee = await console.operator("owner", "second@example.org")
    context = await console.af.operator_sign_in.context_of(console.af.store, lee.token() or "")
    assert context is not None
    unit = console.af.console_actions.act(
        context,
        "user.delete",
        console.af.users.delete(console.one, targets.user),
        environment=console.one,
        target=targets.user,
        reason="x",
    )
    await console.af.run(console.af.operators.change_role(context.operator.id, "support"))
    before = await contents(console)
    with pytest.raises(NotAllowed):
        await console.af.run(unit)
    assert await contents(console) == before


async def test_id_of_another_environment_is_not_found(
    console: Console, owner: Browser, targets: Targets
) -> None:
    before = await contents(console)
    attempts = 0
    for action, build_form in FORMS.items():
        path, form = build_form(targets)
        if path.startswith(HOME) and path.count("/") > HOME.count("/") + 1:
            attempts += 1
            foreign_path = path.replace(HOME, f"/console/e/{OTHER_CLIENT}")
            response = await owner.post(foreign_path, {**form, "reason": "x"})
            assert (response.status_code, action) == (404, action)
    assert attempts >= 9
    assert await contents(console) == before
