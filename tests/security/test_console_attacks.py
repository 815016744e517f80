"""Attacks on the console: roles raised by old links and races, old forms, copied cookies, filled logs."""

import asyncio
import json
import re
import uuid
from collections import Counter
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest

from authfactor.rules.console.refused_attempts import BURST
from authfactor.settings import Settings
from tests.support import authenticator, databases
from tests.support.server_process import CLIENT_ID, Server

PASSWORD: Final = "seven green bottles"
FROM_OUR_PAGE: Final = {"sec-fetch-site": "same-origin"}
HOME: Final = f"/console/e/{CLIENT_ID}"
RACES: Final = 36
BUSY: Final = 503
# The server's own time limit for one session, set back in the database instead of waited for.
AN_HOUR: Final = 3_600_000


def client(server: Server, **more: Any) -> httpx.Client:  # noqa: ANN401 - any option of httpx
    return httpx.Client(base_url=server.url, headers=FROM_OUR_PAGE, timeout=60, trust_env=False, **more)


@dataclass
class OperatorBrowser:
    """An operator's browser and phone; each code is used once."""

    server: Server
    client: httpx.Client
    email: str
    secret: str
    spent: int = 0

    def code(self) -> str:
        """Return the earliest code that the server accepts and that was not used."""
        self.spent = max(authenticator.current_step() - 1, self.spent + 1)
        return authenticator.code_at(self.secret, self.spent)

    def post(self, path: str, **form: str) -> httpx.Response:
        return self.client.post(path, data=form)

    def version(self, path: str, action: str) -> str:
        """Read the hidden version of a form."""
        page = self.client.get(path).text
        found = re.search(rf'action="{re.escape(action)}".*?name="updated_at" value="(\d+)"', page, re.DOTALL)
        assert found, page
        return found[1]

    def invite(self, role: str) -> tuple[str, str]:
        """Invite an operator; return their id and the path of their link."""
        email = f"{uuid.uuid4().hex}@example.org"
        page = self.post("/console/operators", email=email, role=role)
        assert page.status_code == 200, page.text
        [path] = re.findall(r"/console/set-up/[\w-]+", page.text)
        [row] = sql(self.server, "SELECT id FROM operators WHERE email = ?", email)
        return str(row[0]), path


def sql(server: Server, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    settings = Settings(data=server.data, database_url=server.settings.get("AUTHFACTOR_DATABASE_URL", ""))
    return databases.sql(settings, statement, *parameters)


def begin(browser: httpx.Client, path: str) -> str:
    """Choose a password and return the secret on the page."""
    page = browser.post(path, data={"password": PASSWORD, "again": PASSWORD})
    found = re.search(r'id="secret">([A-Z2-7 ]+)<', page.text)
    assert found, page.text
    return found[1].replace(" ", "")


def set_up(server: Server, path: str, email: str = "") -> OperatorBrowser:
    browser = client(server)
    operator = OperatorBrowser(server, browser, email, begin(browser, path))
    done = browser.post(f"{path}/code", data={"code": operator.code()})
    assert done.status_code == 303, done.text
    return operator


@pytest.fixture
def owner(server: Server) -> Iterator[OperatorBrowser]:
    """An owner who has just been set up."""
    email = f"{uuid.uuid4().hex}@example.org"
    invited = server.run("operators", "invite", email)
    [path] = re.findall(r"/console/set-up/[\w-]+", invited.stdout)
    operator = set_up(server, path, email)
    yield operator
    operator.client.close()


def audited(server: Server, action: str) -> list[dict[str, Any]]:
    exported = server.run("audit", "export")
    entries = [json.loads(line) for line in exported.stdout.splitlines()]
    return [entry for entry in entries if entry["action"] == action]


def test_link_of_an_owner_demoted_before_the_set_up_makes_no_owner(owner: OperatorBrowser) -> None:
    """Invited as an owner, demoted, set up: a viewer."""
    lee, path = owner.invite("owner")
    action = f"/console/operators/{lee}/role"
    version = owner.version("/console/operators", action)
    assert owner.post(action, role="viewer", reason="x", updated_at=version).status_code == 303
    browser = set_up(owner.server, path)
    assert sql(owner.server, "SELECT role, state FROM operators WHERE id = ?", lee) == [("viewer", "active")]
    assert browser.post("/console/environments", name=uuid.uuid4().hex).status_code == 403
    browser.client.close()


def test_set_up_finished_during_a_disabling_leaves_no_active_operator(owner: OperatorBrowser) -> None:
    """Whichever comes first: no disabled operator is active, and no session of theirs opens a page."""
    server = owner.server
    invited = [owner.invite("owner") for _ in range(RACES)]
    with client(server) as browser:
        secrets = [begin(browser, path) for _, path in invited]
    cookies = dict(owner.client.cookies)
    limits = httpx.Limits(max_connections=2 * RACES, max_keepalive_connections=2 * RACES)

    async def race() -> list[Any]:
        options: Any = {"base_url": server.url, "headers": FROM_OUR_PAGE, "timeout": 60, "limits": limits}
        async with httpx.AsyncClient(**options, cookies=cookies) as disabling:

            async def finish(path: str, secret: str) -> str | None:
                async with httpx.AsyncClient(**options) as finishing:
                    form = {"code": authenticator.code(secret)}
                    await finishing.post(f"{path}/code", data=form)
                    return finishing.cookies.get("operator")

            async def disable(operator_id: str, wait: float) -> int:
                await asyncio.sleep(wait)
                path = f"/console/operators/{operator_id}/disable"
                while True:
                    status = (await disabling.post(path, data={"reason": "x"})).status_code
                    # On a busy machine the database may ask to come back.
                    if status != BUSY:
                        return status

            pairs: list[Awaitable[Any]] = []
            for number, ((operator_id, path), secret) in enumerate(zip(invited, secrets, strict=True)):
                pairs.append(asyncio.gather(finish(path, secret), disable(operator_id, number % 12 / 40)))
            return await asyncio.gather(*pairs)

    outcomes = asyncio.run(race())
    assert Counter(status for _, status in outcomes) == {303: RACES}
    states = Counter(
        sql(server, "SELECT state FROM operators WHERE id = ?", operator_id)[0] for operator_id, _ in invited
    )
    assert states == {("disabled",): RACES}
    for token, _ in outcomes:
        if token is not None:
            with client(server, cookies={"operator": token}) as browser:
                assert browser.get(HOME).status_code == 303


def test_only_owner_cannot_be_reset_in_the_console(owner: OperatorBrowser) -> None:
    """Without an owner who can sign in, the next start would print a link that makes its reader one."""
    server = owner.server
    [(own_id,)] = sql(server, "SELECT id FROM operators WHERE email = ?", owner.email)
    others = sql(
        server, "SELECT id FROM operators WHERE role = 'owner' AND state = 'active' AND id <> ?", own_id
    )
    for (other,) in others:
        assert owner.post(f"/console/operators/{other}/disable", reason="x").status_code == 303
    refused = owner.post(f"/console/operators/{own_id}/reset", reason="x")
    assert (refused.status_code, "only owner" in refused.text) == (409, True)
    assert owner.client.get(HOME).status_code == 200


def test_outdated_settings_form_does_not_undo_a_new_policy(owner: OperatorBrowser) -> None:
    path = f"{HOME}/settings"
    version = owner.version(path, path)
    changed = owner.server.run("environments", "update", "default", "--mfa-policy", "required")
    assert changed.returncode == 0, changed.stderr
    form = {"name": "default", "team_name": "Acme", "mfa_policy": "if_enrolled"}
    old = owner.post(path, **form, updated_at=version)
    assert (old.status_code, "Stored now" in old.text) == (409, True)
    query = "SELECT mfa_policy FROM environments WHERE number = 1"
    assert sql(owner.server, query) == [("required",)]
    # Weakening it from a current form takes a code; the session is new enough here.
    assert owner.post(path, **form, updated_at=owner.version(path, path)).status_code == 303
    assert sql(owner.server, query) == [("if_enrolled",)]


def test_dangerous_actions_in_an_hour_old_session_need_a_code(owner: OperatorBrowser) -> None:
    """A browser that was left open, or a copied cookie, changes nothing that lets a person in."""
    server, cookie = owner.server, owner.client.cookies["operator"]
    [(own_id,)] = sql(server, "SELECT id FROM operators WHERE email = ?", owner.email)
    statement = "UPDATE operator_sessions SET authenticated_at = authenticated_at - ? WHERE operator_id = ?"
    sql(server, statement, AN_HOUR, own_id)
    counts = "SELECT (SELECT count(*) FROM api_keys), (SELECT count(*) FROM operators)"
    before = sql(server, counts)
    with client(server, cookies={"operator": cookie}) as thief:
        for path, form in (
            (f"{HOME}/keys", {"name": "x"}),
            ("/console/operators", {"email": "thief@example.org", "role": "owner"}),
            (f"/console/operators/{own_id}/disable", {"reason": "x"}),
        ):
            asked = thief.post(path, data=form)
            assert (asked.status_code, "Confirm with a code" in asked.text) == (403, True)
            guessed = thief.post(
                path, data={**form, "confirmation_code": authenticator.wrong_code(owner.secret)}
            )
            assert (guessed.status_code, "This code is wrong." in guessed.text) == (400, True)
        assert sql(server, counts) == before
        # The owner confirms; the copy of the cookie ends.
        made = owner.post(f"{HOME}/keys", name="mine", confirmation_code=owner.code())
        assert "sk_" in made.text
        assert thief.post(f"{HOME}/keys", data={"name": "x"}).headers["location"] == "/console/sign-in"
    assert owner.client.get(HOME).status_code == 200
    assert len(audited(server, "operator.confirmation_refused")) >= 3


def test_guessing_the_confirmation_ends_the_session(owner: OperatorBrowser) -> None:
    sql(owner.server, "UPDATE operator_sessions SET authenticated_at = NULL")
    wrong = authenticator.wrong_code(owner.secret)
    guesses = [owner.post(f"{HOME}/keys", name="x", confirmation_code=wrong) for _ in range(10)]
    assert [guess.status_code for guess in guesses] == [400] * 10
    assert ["You have been signed out" in guess.text for guess in guesses] == [False] * 9 + [True]
    assert owner.client.get(HOME).headers["location"] == "/console/sign-in"


def test_session_is_not_ended_under_another_users_id(owner: OperatorBrowser) -> None:
    with owner.server.client() as api:
        email = f"{uuid.uuid4().hex}@example.org"
        user = api.post("/user_management/users", json={"email": email, "password": PASSWORD}).json()["id"]
        who = {"client_id": CLIENT_ID, "client_secret": "sk_test_default", "grant_type": "password"}
        signed_in = api.post(
            "/user_management/authenticate", json={**who, "email": email, "password": PASSWORD}
        )
        assert signed_in.status_code == 200, signed_in.text
        [session] = api.get(f"/user_management/users/{user}/sessions").json()["data"]
        for other in ("user_01ZZZZZZZZZZZZZZZZZZZZZZZZ", "x", "%00", "%2E%2E"):
            path = f"{HOME}/users/{other}/sessions/{session['id']}/revoke"
            assert owner.post(path, reason="x").status_code == 404
        assert len(api.get(f"/user_management/users/{user}/sessions").json()["data"]) == 1
        assert (
            owner.post(f"{HOME}/users/{user}/sessions/{session['id']}/revoke", reason="x").status_code == 303
        )


def test_wrong_console_passwords_are_recorded_and_do_not_fill_the_log(owner: OperatorBrowser) -> None:
    server = owner.server
    lines = server.output().count("\n")
    with client(server) as stranger:
        for number in range(BURST + 5):
            email = owner.email if number == 0 else f"{uuid.uuid4().hex}@example.org"
            form = {"email": email, "password": "wrong", "code": "000000"}
            assert stranger.post("/console/sign-in", data=form).status_code == 400
    entries = audited(server, "operator.sign_in_refused")
    assert [entry["reason"] for entry in entries if entry["actor"] == owner.email] == ["wrong password"]
    assert all(entry["address"] == "127.0.0.1" and entry["request_id"] for entry in entries)
    # All tests of this server together: few slots, and no more.
    assert sum(entry["target"] == "unknown" for entry in entries) <= BURST
    server.wait_for_output("POST /console/sign-in")
    logged = [json.loads(line) for line in server.output().splitlines()[lines:] if '"route"' in line]
    outcomes = {line["outcome"] for line in logged if line["route"] == "POST /console/sign-in"}
    assert outcomes == {"invalid_credentials", "too_many_password_attempts"}
