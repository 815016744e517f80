"""Every page of the console: small, escaped, and correct."""

import re

import pytest

from authfactor.models import PageQuery, UserRecord
from authfactor.rules.unit import Scope
from authfactor.wire.webhooks import CreateWebhookEndpoint, UpdateWebhookEndpoint
from tests.support.console import BASE, CLIENT, HOME, PASSWORD, Browser, Console, version_on

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
MAX_BYTES = 60_000


async def fill(console: Console) -> UserRecord:
    """Fill every page with hostile values; return a user with factors, a session and a lock."""
    af, one = console.af, console.one
    endpoint = CreateWebhookEndpoint(
        endpoint_url="http://127.0.0.1:9/?<script>", events=["user.created", "session.created"]
    )
    await af.run(af.webhooks.create(one, endpoint))
    await af.run(af.environments.new_key(one, HOSTILE))
    await af.run(af.environments.update(one, name=HOSTILE, team_name="Acme <b>"))
    for number in range(30):
        await console.user(f"u{number:02}@example.com")
    user = await console.user(
        "<script>alert(0)</script>@example.com",
        first_name=HOSTILE,
        external_id="<i>7</i>",
        metadata={HOSTILE[:40]: HOSTILE},
    )
    enrolled = await console.enroll(user, totp_issuer="<b>Issuer</b>", totp_user="<u>account</u>")
    await console.lock(enrolled)
    prepared = await af.sessions.prepare(
        af.store, one, user.id, amr="pwd", now=console.clock.now, ip_address="::1", user_agent=HOSTILE
    )
    await af.run(lambda tx: af.sessions.start(Scope(tx, one, console.clock.now), user, prepared))
    return user


def paths(user: UserRecord) -> list[str]:
    return [
        HOME,
        f"{HOME}?span=week",
        f"{HOME}?span=month",
        f"{HOME}/users",
        f"{HOME}/users?q=u0",
        f"{HOME}/users?q={HOSTILE}",
        f"{HOME}/users/{user.id}",
        f"{HOME}/events",
        f"{HOME}/events?name=user.created",
        f"{HOME}/keys",
        f"{HOME}/webhooks",
        f"{HOME}/deliveries",
        f"{HOME}/deliveries?state=pending",
        f"{HOME}/messages",
        f"{HOME}/messages?state=sent",
        f"{HOME}/sender",
        f"{HOME}/sender/preview?kind=invitation&locale=ja",
        f"{HOME}/sender/preview?kind=%3Cb%3E&locale=x",
        f"{HOME}/settings",
        f"{HOME}/mfa-policy",
        "/console/environments",
        "/console/operators",
        "/console/account",
        "/console/audit",
        "/console/audit?action=user.unlock&actor=x&target=<b>",
        "/console/sign-in",
    ]


async def test_every_page_is_small_escaped_and_not_cached(console: Console, owner: Browser) -> None:
    user = await fill(console)
    for path in paths(user)[:-1]:
        response = await owner.get(path)
        assert response.status_code == 200, path
        assert len(response.content) < MAX_BYTES, path
        assert response.headers["cache-control"] == "no-store", path
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"], path
        assert response.headers["x-frame-options"] == "DENY", path
        for unescaped in ("<script>alert", "<img src=x", "<b>", "<i>7", "<u>account"):
            assert unescaped not in response.text, (path, unescaped)
        assert not re.search(r"\son\w+=\"|style=\"|<script(?![^>]*\ssrc=)", response.text), path


async def test_audit_page_shows_the_request_of_a_change(console: Console, owner: Browser) -> None:
    user = await fill(console)
    changed = await owner.post(f"{HOME}/users/{user.id}/unlock", {"reason": "lost <i>7"})
    assert changed.status_code == 303, changed.text
    page = (await owner.get("/console/audit?action=user.unlock")).text
    assert changed.headers["x-request-id"] in page
    assert "127.0.0.1" in page
    assert "lost &lt;i&gt;7" in page


async def test_operator_sign_ins_are_audited_with_their_request(console: Console, owner: Browser) -> None:
    signed_in = await console.sign_in(owner)
    for _ in range(10):
        locked = await console.sign_in(owner, code="000000")
        page = (await owner.get("/console/audit?action=operator.locked")).text
        if locked.headers["x-request-id"] in page:
            break
    else:
        pytest.fail("the lock is audited without its request")
    page = (await owner.get("/console/audit?action=operator.signed_in")).text
    assert signed_in.headers["x-request-id"] in page
    # The owner's set-up and the session it started are one request.
    [set_up] = (await console.af.read(console.af.audit.page(PageQuery(), "operator.set_up"))).items
    assert set_up.request_id is not None
    assert set_up.request_id in page


async def test_event_seal_is_summarized_on_the_audit_page(console: Console, owner: Browser) -> None:
    await fill(console)
    console.clock.advance(16 * 60)
    assert await console.af.event_sealing.run(console.af.store) > 0
    page = (await owner.get("/console/audit?action=events.sealed")).text
    assert " events from event_" in page
    assert "sha256" not in page
    assert "events.sealed</span>" not in (await owner.get("/console/audit")).text


async def test_htmx_request_returns_only_the_fragment(console: Console, owner: Browser) -> None:
    await fill(console)
    for path, start in ((HOME, '<div id="numbers"'), (f"{HOME}/events", '<div id="events"')):
        fragment = (await owner.get(path, headers={"hx-request": "true"})).text.strip()
        assert fragment.startswith(start), fragment[:200]
        assert "<nav class=" not in fragment.replace('<nav class="pager"', "")


async def test_dashboard_counts_users_sign_ins_and_locks(console: Console, owner: Browser) -> None:
    user = await fill(console)
    text = (await owner.get(HOME)).text
    assert stat(text, "Users") == "31"
    assert stat(text, "Sign-ins") == "1"
    assert stat(text, "Locked users") == "1"
    assert stat(text, "Failed sign-ins") == "0"  # the lock came from wrong codes outside a sign-in
    assert stat(text, "Enrollment").startswith("1")
    assert (await owner.get(f"{HOME}/users/{user.id}")).status_code == 200
    other = (await owner.get("/console/e/client_two")).text
    assert (stat(other, "Users"), stat(other, "Sign-ins")) == ("0", "0")


async def test_dashboard_caches_finished_hours_and_counts_new_ones(console: Console, owner: Browser) -> None:
    await console.user("one@example.com")
    assert "1 new in this period" in (await owner.get(HOME)).text
    console.clock.advance(10 * 60)
    await console.user("two@example.com")
    assert "2 new in this period" in (await owner.get(HOME)).text
    for _ in range(5 * 3):
        console.clock.advance(20 * 60)
        await owner.get(HOME)
    await console.user("three@example.com")
    console.clock.advance(6)
    assert "3 new in this period" in (await owner.get(HOME)).text


def stat(text: str, title: str) -> str:
    """Return the number shown under a title."""
    found = re.search(rf">{title}<.*?<strong>([^<]+)</strong>", text, re.DOTALL)
    assert found, title
    return found[1]


async def test_users_are_found_by_email_prefix_and_id(console: Console, owner: Browser) -> None:
    user = await fill(console)
    text = (await owner.get(f"{HOME}/users?q=U1")).text
    assert sorted(set(re.findall(r"u\d\d@example", text))) == [f"u1{digit}@example" for digit in range(10)]
    by_id = await owner.get(f"{HOME}/users?q={user.id}")
    assert by_id.headers["location"] == f"{HOME}/users/{user.id}"
    unknown = await owner.get(f"{HOME}/users?q=unknown%25")
    assert "No users found" in unknown.text


async def test_user_list_and_search_page_through_every_user(console: Console, owner: Browser) -> None:
    await fill(console)
    first = await owner.get(f"{HOME}/users")
    [older] = re.findall(r'href="([^"]+)">Older', first.text)
    second = await owner.get(older.replace("&amp;", "&"))
    seen = re.findall(r"u\d\d@example", first.text) + re.findall(r"u\d\d@example", second.text)
    assert len(seen) == len(set(seen)) == 30
    assert ">Newer<" in second.text
    search = await owner.get(f"{HOME}/users?q=u")
    [more] = re.findall(r'href="([^"]+)">Older', search.text)
    rest = await owner.get(more.replace("&amp;", "&"))
    found = re.findall(r"u\d\d@example", search.text) + re.findall(r"u\d\d@example", rest.text)
    assert sorted(found) == [f"u{number:02}@example" for number in range(30)]


async def test_user_page_shows_factor_state_clock_drift_and_lock(console: Console, owner: Browser) -> None:
    user = await console.user()
    enrolled = await console.enroll(user)
    page = (await owner.get(f"{HOME}/users/{user.id}")).text
    assert "awaiting first code" in page
    challenge = enrolled.challenge
    assert challenge is not None
    # The phone's clock is one step behind.
    late_code = console.code(enrolled.secret)
    console.clock.advance(30)
    await console.af.run(console.af.challenges.verify(console.one, challenge.id, late_code))
    page = (await owner.get(f"{HOME}/users/{user.id}")).text
    assert "about 30 s slow" in page
    assert "awaiting first code" not in page
    await console.lock(enrolled)
    page = (await owner.get(f"{HOME}/users/{user.id}")).text
    assert "Locked until" in page
    assert "10 recent wrong codes, 10 in a row" in page
    response = await owner.post(f"{HOME}/users/{user.id}/unlock", {"reason": "it was a child"})
    page = (await owner.get(response.headers["location"])).text
    assert "Unlocked" in page
    assert "Locked until" not in page


async def test_factor_reset_returns_a_working_enrollment_link(console: Console, owner: Browser) -> None:
    support = await console.operator("support")
    user = await console.user()
    await console.enroll(user)
    page = await support.post(f"{HOME}/users/{user.id}/reset", {"reason": "lost the phone"})
    [path] = re.findall(rf"{BASE}(/link/[\w-]+)", page.text)
    assert "No factor" in page.text
    assert (await console.stranger().get(path)).status_code == 200
    assert path not in (await owner.get(f"{HOME}/users/{user.id}")).text
    by_owner = await owner.post(f"{HOME}/users/{user.id}/enroll")
    assert re.findall(rf"{BASE}(/link/[\w-]+)", by_owner.text) != [path]


async def test_branding_form_sets_name_and_color(console: Console, owner: Browser) -> None:
    form = {"brand_name": "Acme Shop", "colored": "1", "color": "#aa3300", "updated_at": "0"}
    assert (await owner.post(f"{HOME}/look", form)).status_code == 303
    page = await owner.get(f"{HOME}/settings")
    assert 'value="Acme Shop"' in page.text
    assert 'value="#aa3300"' in page.text
    cleared = {"color": "#aa3300", "updated_at": version_on(page, f"{HOME}/look")}
    assert (await owner.post(f"{HOME}/look", cleared)).status_code == 303
    branding = await console.af.read(console.af.brandings.get(console.one))
    assert branding is not None
    assert (branding.name, branding.color) == (None, None)
    invalid = await owner.post(f"{HOME}/look", {**form, "color": "red;}"})
    assert invalid.status_code == 422


async def test_api_key_is_shown_once_and_stops_working_when_revoked(console: Console, owner: Browser) -> None:
    created = await owner.post(f"{HOME}/keys", {"name": "shop"})
    [key] = re.findall(r"sk_[\w-]{43}", created.text)
    assert key not in (await owner.get(f"{HOME}/keys")).text
    api = console.stranger(authorization=f"Bearer {key}")
    assert (await api.get("/user_management/users")).status_code == 200
    [path] = re.findall(rf'action="({HOME}/keys/[^"]+/revoke)"', created.text)
    await owner.post(path, {"reason": "leaked"})
    console.clock.advance(1)
    assert (await api.get("/user_management/users")).status_code == 401


async def test_webhook_secret_is_shown_once(console: Console, owner: Browser) -> None:
    form = {"endpoint_url": "http://127.0.0.1:9/hook", "event:user.created": "1"}
    created = await owner.post(f"{HOME}/webhooks", form)
    [secret] = re.findall(r"whsec_[\w-]{43}", created.text)
    listed = (await owner.get(f"{HOME}/webhooks")).text
    assert secret not in listed
    assert "whsec_" not in listed


async def test_console_sends_a_test_event_and_shows_a_paused_endpoint(
    console: Console, owner: Browser
) -> None:
    af = console.af
    made = await af.run(
        af.webhooks.create(console.one, CreateWebhookEndpoint("http://127.0.0.1:9/hook", ["user.created"]))
    )
    assert "Send test event" in (await owner.get(f"{HOME}/webhooks")).text
    assert (await owner.post(f"{HOME}/webhooks/{made.id}/ping")).status_code == 303
    assert "authfactor.ping" in (await owner.get(f"{HOME}/deliveries")).text
    await af.run(
        lambda tx: tx.db.run(
            "UPDATE webhook_endpoints SET failures = 5, last_error = $1, paused_until = $2",
            HOSTILE,
            console.clock.now,
        )
    )
    page = (await owner.get(f"{HOME}/webhooks")).text
    assert ">paused</span>" in page
    assert "after 5 failures in a row" in page
    assert HOSTILE not in page
    await af.run(af.webhooks.update(console.one, made.id, UpdateWebhookEndpoint(status="disabled")))
    assert "Send test event" not in (await owner.get(f"{HOME}/webhooks")).text
    refused = await owner.post(f"{HOME}/webhooks/{made.id}/ping")
    assert (refused.status_code, "is disabled" in refused.text) == (409, True)


async def test_refused_form_keeps_the_typed_values(console: Console, owner: Browser) -> None:
    form = {"endpoint_url": "ftp://nowhere", "event:user.created": "1"}
    response = await owner.post(f"{HOME}/webhooks", form)
    assert response.status_code == 422
    assert 'value="ftp://nowhere"' in response.text
    assert response.text.count(" checked") == 1
    duplicate = await owner.post("/console/environments", {"name": "two"})
    assert (duplicate.status_code, "already exists" in duplicate.text) == (409, True)


async def test_console_invitation_sets_up_an_operator(console: Console, owner: Browser) -> None:
    created = await owner.post("/console/operators", {"email": "lee@example.org", "role": "support"})
    [token] = re.findall(rf"{BASE}/console/set-up/([\w-]+)", created.text)
    lee = await console.set_up(token, "lee@example.org")
    page = (await lee.get("/console/operators")).text
    assert "lee@example.org" in page
    assert "Create a set-up link" not in page
    assert token not in (await owner.get("/console/operators")).text


async def test_actions_forbidden_to_a_role_are_not_offered(console: Console, owner: Browser) -> None:
    user = await fill(console)
    viewer, support = await console.operator("viewer"), await console.operator("support")
    for path in paths(user)[:-1]:
        text = (await viewer.get(path)).text
        offered = set(re.findall(r'method="post" action="([^"]+)"', text)) - {"/console/sign-out"}
        # The forms of the settings page are shown read-only.
        assert not offered or path in {f"{HOME}/settings", f"{HOME}/mfa-policy"}, (path, offered)
    text = (await support.get(f"{HOME}/users/{user.id}")).text
    offered = {path.rsplit("/", 1)[-1] for path in re.findall(r'method="post" action="([^"]+)"', text)}
    assert offered == {"sign-out", "unlock", "reset"}


async def test_operator_can_end_their_other_sessions(console: Console, owner: Browser) -> None:
    other = console.stranger()
    other.email, other.secret = owner.email, owner.secret
    await console.sign_in(other)
    text = (await owner.get("/console/account")).text
    [path] = re.findall(r'action="(/console/account/sessions/[^"]+/end)"', text)
    await owner.post(path)
    assert (await other.get(HOME)).status_code == 303
    assert (await owner.get(HOME)).status_code == 200


async def test_settings_form_saves_name_team_and_mfa_policy(console: Console, owner: Browser) -> None:
    page = await owner.get(f"{HOME}/settings")
    form = {"name": "production", "team_name": "Acme Shop", "mfa_policy": "required"}
    form["updated_at"] = version_on(page, f"{HOME}/settings")
    response = await owner.post(f"{HOME}/settings", form)
    assert response.headers["location"].startswith(f"{HOME}/settings")
    changed = await console.af.read(console.af.environments.by_client_id(CLIENT))
    assert (changed.name, changed.team_name, changed.mfa_policy) == ("production", "Acme Shop", "required")
    form["updated_at"] = version_on(await owner.get(f"{HOME}/settings"), f"{HOME}/settings")
    taken = await owner.post(f"{HOME}/settings", {**form, "name": "two"})
    assert (taken.status_code, "already exists" in taken.text) == (409, True)
    invalid = await owner.post(f"{HOME}/settings", {**form, "mfa_policy": "sometimes"})
    assert invalid.status_code == 422


@pytest.mark.parametrize(
    "path", ["/console/nothing", f"{HOME}/users/user_x", "/console/e/client_x", f"{HOME}/x"]
)
async def test_unknown_console_page_is_404(console: Console, owner: Browser, path: str) -> None:
    assert (await owner.get(path)).status_code == 404


async def test_no_page_shows_a_password_or_a_secret(console: Console, owner: Browser) -> None:
    user = await console.user(password=PASSWORD)
    enrolled = await console.enroll(user)
    for path in paths(user)[:-1]:
        text = (await owner.get(path)).text
        for secret in (PASSWORD, enrolled.secret, enrolled.factor.secret, "$argon2", owner.secret):
            assert secret not in text, path
