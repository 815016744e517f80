"""Every page of the console: small, safe against what users are called, and right."""

import re

import pytest

from authfactor.models import PageQuery, UserRecord
from authfactor.rules.unit import Scope
from authfactor.wire.webhooks import CreateWebhookEndpoint
from tests.support.console import BASE, CLIENT, HOME, PASSWORD, Browser, Console

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
MOST_BYTES = 60_000


async def fill(console: Console) -> UserRecord:
    """Give every page something to show, written by somebody who means harm."""
    af, one = console.af, console.one
    address = CreateWebhookEndpoint(
        endpoint_url="http://127.0.0.1:9/?<script>", events=["user.created", "session.created"]
    )
    await af.run(af.webhooks.create(one, address))
    await af.run(af.environments.new_key(one, EVIL))
    await af.run(af.environments.update(one, name=EVIL, team_name="Acme <b>"))
    for number in range(30):
        await console.user(f"u{number:02}@example.com")
    user = await console.user(
        "<script>alert(0)</script>@example.com",
        first_name=EVIL,
        external_id="<i>7</i>",
        metadata={EVIL[:40]: EVIL},
    )
    enrolled = await console.enroll(user, totp_issuer="<b>Issuer</b>", totp_user="<u>account</u>")
    await console.lock(enrolled)
    prepared = await af.sessions.prepare(
        af.store, one, user.id, amr="pwd", now=console.clock.now, ip_address="::1", user_agent=EVIL
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
        f"{HOME}/users?q={EVIL}",
        f"{HOME}/users/{user.id}",
        f"{HOME}/events",
        f"{HOME}/events?name=user.created",
        f"{HOME}/keys",
        f"{HOME}/webhooks",
        f"{HOME}/deliveries",
        f"{HOME}/deliveries?state=pending",
        f"{HOME}/settings",
        "/console/environments",
        "/console/operators",
        "/console/account",
        "/console/audit",
        "/console/audit?action=user.unlock&actor=x&target=<b>",
        "/console/sign-in",
    ]


async def test_every_page_is_small_safe_and_is_not_kept(console: Console, owner: Browser) -> None:
    user = await fill(console)
    for path in paths(user)[:-1]:
        answer = await owner.get(path)
        assert answer.status_code == 200, path
        assert len(answer.content) < MOST_BYTES, path
        assert answer.headers["cache-control"] == "no-store", path
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
        assert answer.headers["x-frame-options"] == "DENY", path
        for planted in ("<script>alert", "<img src=x", "<b>", "<i>7", "<u>account"):
            assert planted not in answer.text, (path, planted)
        assert not re.search(r"\son\w+=\"|style=\"|<script(?![^>]*\ssrc=)", answer.text), path


async def test_the_audit_page_says_in_which_request_a_change_came(console: Console, owner: Browser) -> None:
    user = await fill(console)
    changed = await owner.post(f"{HOME}/users/{user.id}/unlock", {"reason": "lost <i>7"})
    assert changed.status_code == 303, changed.text
    page = (await owner.get("/console/audit?action=user.unlock")).text
    assert changed.headers["x-request-id"] in page
    assert "127.0.0.1" in page
    assert "lost &lt;i&gt;7" in page


async def test_entering_is_recorded_with_its_request(console: Console, owner: Browser) -> None:
    entered = await console.sign_in(owner)
    for _ in range(10):
        locked = await console.sign_in(owner, password="wrong")
        page = (await owner.get("/console/audit?action=operator.locked")).text
        if locked.headers["x-request-id"] in page:
            break
    else:
        pytest.fail("the lock is recorded without its request")
    page = (await owner.get("/console/audit?action=operator.signed_in")).text
    assert entered.headers["x-request-id"] in page
    # The owner's set-up and the session that it began are one request.
    [set_up] = (await console.af.read(console.af.audit.page(PageQuery(), "operator.set_up"))).items
    assert set_up.request_id is not None
    assert set_up.request_id in page


async def test_a_seal_of_events_is_told_in_few_words(console: Console, owner: Browser) -> None:
    await fill(console)
    console.clock.advance(16 * 60)
    assert await console.af.event_sealing.run(console.af.store) > 0
    page = (await owner.get("/console/audit?action=events.sealed")).text
    assert " events from event_" in page
    assert "sha256" not in page
    assert "events.sealed</span>" not in (await owner.get("/console/audit")).text


async def test_the_parts_that_a_page_asks_for_again_are_parts(console: Console, owner: Browser) -> None:
    await fill(console)
    for path, beginning in ((HOME, '<div id="numbers"'), (f"{HOME}/events", '<div id="events"')):
        part = (await owner.get(path, headers={"hx-request": "true"})).text.strip()
        assert part.startswith(beginning), part[:200]
        assert "<nav class=" not in part.replace('<nav class="pager"', "")


async def test_the_overview_counts_what_happened(console: Console, owner: Browser) -> None:
    user = await fill(console)
    text = (await owner.get(HOME)).text
    assert stat(text, "Users") == "31"
    assert stat(text, "Sign-ins") == "1"
    assert stat(text, "Locked users") == "1"
    assert stat(text, "Enrollment").startswith("1")
    assert (await owner.get(f"{HOME}/users/{user.id}")).status_code == 200
    other = (await owner.get("/console/e/client_two")).text
    assert (stat(other, "Users"), stat(other, "Sign-ins")) == ("0", "0")


async def test_the_overview_keeps_finished_hours_and_counts_new_ones(
    console: Console, owner: Browser
) -> None:
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
    """Read the number under a title."""
    found = re.search(rf">{title}<.*?<strong>([^<]+)</strong>", text, re.DOTALL)
    assert found, title
    return found[1]


async def test_users_are_found_by_the_beginning_of_the_email_and_by_id(
    console: Console, owner: Browser
) -> None:
    user = await fill(console)
    text = (await owner.get(f"{HOME}/users?q=U1")).text
    assert sorted(set(re.findall(r"u\d\d@example", text))) == [f"u1{digit}@example" for digit in range(10)]
    by_id = await owner.get(f"{HOME}/users?q={user.id}")
    assert by_id.headers["location"] == f"{HOME}/users/{user.id}"
    unknown = await owner.get(f"{HOME}/users?q=unknown%25")
    assert "No users found" in unknown.text


async def test_lists_are_walked_page_by_page(console: Console, owner: Browser) -> None:
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


async def test_a_users_page_says_what_support_needs(console: Console, owner: Browser) -> None:
    user = await console.user()
    enrolled = await console.enroll(user)
    page = (await owner.get(f"{HOME}/users/{user.id}")).text
    assert "awaiting first code" in page
    challenge = enrolled.challenge
    assert challenge is not None
    # A phone that is one step behind.
    late = console.code(enrolled.secret)
    console.clock.advance(30)
    await console.af.run(console.af.challenges.verify(console.one, challenge.id, late))
    page = (await owner.get(f"{HOME}/users/{user.id}")).text
    assert "about 30 s slow" in page
    assert "awaiting first code" not in page
    await console.lock(enrolled)
    page = (await owner.get(f"{HOME}/users/{user.id}")).text
    assert "Locked until" in page
    assert "10 recent wrong codes, 10 in a row" in page
    answer = await owner.post(f"{HOME}/users/{user.id}/unlock", {"reason": "it was a child"})
    page = (await owner.get(answer.headers["location"])).text
    assert "Unlocked" in page
    assert "Locked until" not in page


async def test_a_reset_gives_a_link_by_which_the_user_enrols_anew(console: Console, owner: Browser) -> None:
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


async def test_pages_for_users_take_name_and_colour(console: Console, owner: Browser) -> None:
    form = {"brand_name": "Acme Shop", "colored": "1", "color": "#aa3300"}
    assert (await owner.post(f"{HOME}/look", form)).status_code == 303
    page = (await owner.get(f"{HOME}/settings")).text
    assert 'value="Acme Shop"' in page
    assert 'value="#aa3300"' in page
    assert (await owner.post(f"{HOME}/look", {"color": "#aa3300"})).status_code == 303
    branding = await console.af.read(console.af.brandings.get(console.one))
    assert branding is not None
    assert (branding.name, branding.color) == (None, None)
    odd = await owner.post(f"{HOME}/look", {**form, "color": "red;}"})
    assert odd.status_code == 422


async def test_a_key_is_shown_once_works_and_stops_working_when_revoked(
    console: Console, owner: Browser
) -> None:
    made = await owner.post(f"{HOME}/keys", {"name": "shop"})
    [key] = re.findall(r"sk_[\w-]{43}", made.text)
    assert key not in (await owner.get(f"{HOME}/keys")).text
    api = console.stranger(authorization=f"Bearer {key}")
    assert (await api.get("/user_management/users")).status_code == 200
    [path] = re.findall(rf'action="({HOME}/keys/[^"]+/revoke)"', made.text)
    await owner.post(path, {"reason": "leaked"})
    console.clock.advance(1)
    assert (await api.get("/user_management/users")).status_code == 401


async def test_a_webhook_secret_is_shown_once(console: Console, owner: Browser) -> None:
    form = {"endpoint_url": "http://127.0.0.1:9/hook", "event:user.created": "1"}
    made = await owner.post(f"{HOME}/webhooks", form)
    [secret] = re.findall(r"whsec_[\w-]{43}", made.text)
    listed = (await owner.get(f"{HOME}/webhooks")).text
    assert secret not in listed
    assert "whsec_" not in listed


async def test_a_refused_form_comes_back_with_what_was_typed(console: Console, owner: Browser) -> None:
    form = {"endpoint_url": "ftp://nowhere", "event:user.created": "1"}
    answer = await owner.post(f"{HOME}/webhooks", form)
    assert answer.status_code == 422
    assert 'value="ftp://nowhere"' in answer.text
    assert answer.text.count(" checked") == 1
    again = await owner.post("/console/environments", {"name": "two"})
    assert (again.status_code, "already exists" in again.text) == (409, True)


async def test_an_invitation_made_in_the_console_works(console: Console, owner: Browser) -> None:
    made = await owner.post("/console/operators", {"email": "lee@example.org", "role": "support"})
    [token] = re.findall(rf"{BASE}/console/set-up/([\w-]+)", made.text)
    lee = await console.set_up(token, "lee@example.org")
    page = (await lee.get("/console/operators")).text
    assert "lee@example.org" in page
    assert "Create a set-up link" not in page
    assert token not in (await owner.get("/console/operators")).text


async def test_what_a_role_may_not_do_is_not_offered(console: Console, owner: Browser) -> None:
    user = await fill(console)
    viewer, support = await console.operator("viewer"), await console.operator("support")
    for path in paths(user)[:-1]:
        text = (await viewer.get(path)).text
        offered = set(re.findall(r'method="post" action="([^"]+)"', text)) - {"/console/sign-out"}
        # The forms of the policy page are there to be read; nothing in them can be changed.
        assert not offered or path == f"{HOME}/settings", (path, offered)
    text = (await support.get(f"{HOME}/users/{user.id}")).text
    offered = {path.rsplit("/", 1)[-1] for path in re.findall(r'method="post" action="([^"]+)"', text)}
    assert offered == {"sign-out", "unlock", "reset"}


async def test_one_may_end_ones_other_sessions(console: Console, owner: Browser) -> None:
    other = console.stranger()
    other.email, other.secret = owner.email, owner.secret
    await console.sign_in(other)
    text = (await owner.get("/console/account")).text
    [path] = re.findall(r'action="(/console/account/sessions/[^"]+/end)"', text)
    await owner.post(path)
    assert (await other.get(HOME)).status_code == 303
    assert (await owner.get(HOME)).status_code == 200


async def test_environments_are_renamed_and_their_policy_is_kept(console: Console, owner: Browser) -> None:
    form = {"name": "production", "team_name": "Acme Shop", "mfa_policy": "required"}
    answer = await owner.post(f"{HOME}/settings", form)
    assert answer.headers["location"].startswith(f"{HOME}/settings")
    changed = await console.af.read(console.af.environments.by_client_id(CLIENT))
    assert (changed.name, changed.team_name, changed.mfa_policy) == ("production", "Acme Shop", "required")
    taken = await owner.post(f"{HOME}/settings", {**form, "name": "two"})
    assert taken.status_code == 409
    odd = await owner.post(f"{HOME}/settings", {**form, "mfa_policy": "sometimes"})
    assert odd.status_code == 422


@pytest.mark.parametrize(
    "path", ["/console/nothing", f"{HOME}/users/user_x", "/console/e/client_x", f"{HOME}/x"]
)
async def test_what_is_not_there_is_not_found(console: Console, owner: Browser, path: str) -> None:
    assert (await owner.get(path)).status_code == 404


async def test_no_page_shows_a_password_or_a_secret(console: Console, owner: Browser) -> None:
    user = await console.user(password=PASSWORD)
    enrolled = await console.enroll(user)
    for path in paths(user)[:-1]:
        text = (await owner.get(path)).text
        for secret in (PASSWORD, enrolled.secret, enrolled.factor.secret, "$argon2", owner.secret):
            assert secret not in text, path
