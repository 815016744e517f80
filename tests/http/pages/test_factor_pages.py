"""The page on which users manage their factors, without a browser: steps, messages, and refusals."""

import re
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest

from tests.support import authenticator
from tests.support.server_process import API_KEY, CLIENT_ID, Server, fields

KEY: Final = re.compile('data-copy-text="([A-Z2-7]{32})"')
CODE: Final = re.compile('<code class="code">([0-9a-z-]{19})</code>')
STEPS: Final = ("add", "recovery-codes", "sessions", "leave", "rename/auth_factor_x", "remove/auth_factor_x")


@dataclass
class Visit:
    """A user's browser on the page; `secret` is of the newest factor, `ahead` the steps that were used."""

    server: Server
    browser: httpx.Client
    link: dict[str, Any]
    home: str
    cookie: str
    secrets: list[str] = field(default_factory=list)

    def get(self, path: str = "", **more: Any) -> httpx.Response:  # noqa: ANN401 - of httpx
        return self.browser.get(self.home + path, headers={"cookie": self.cookie}, **more)

    def post(self, path: str = "", **form: str) -> httpx.Response:
        headers = {"cookie": self.cookie, "origin": self.server.url}
        return self.browser.post(self.home + path, data=form, headers=headers)

    def add(self) -> str:
        """Add a factor; return its id."""
        before = set(self.ids())
        assert self.post("/add").headers["location"] == f"{self.home}/add/code"
        found = KEY.search(self.get("/add/code").text)
        assert found is not None
        self.secrets.append(found[1])
        done = self.post("/add/code", code=authenticator.code(found[1]))
        assert done.headers["location"] == f"{self.home}?done=added", done.text
        return (set(self.ids()) - before).pop()

    def ids(self) -> list[str]:
        return re.findall(r"/remove/(auth_factor_\w+)", self.get().text)

    def confirm(self, then: str, code: str = "", **form: str) -> httpx.Response:
        return self.post(f"/confirm/{then}", code=code or authenticator.code(self.secrets[-1], 1), **form)


@pytest.fixture
def user(api: httpx.Client) -> dict[str, Any]:
    return fields(api.post("/user_management/users", json={"email": f"{uuid.uuid4().hex}@example.org"}), 201)


def visit_page(
    server: Server, api: httpx.Client, browser: httpx.Client, user: dict[str, Any], **more: str
) -> Visit:
    link = fields(api.post("/authfactor/factors_links", json={"user_id": user["id"], **more}), 201)
    path = "/link/" + link["url"].rpartition("/")[2]
    assert "Manage how you sign in" in browser.get(path).text
    opened = browser.post(path, headers={"origin": server.url})
    cookie = opened.headers["set-cookie"].partition(";")[0]
    return Visit(server, browser, link, opened.headers["location"], cookie)


@pytest.fixture
def visit(server: Server, api: httpx.Client, browser: httpx.Client, user: dict[str, Any]) -> Visit:
    return visit_page(server, api, browser, user)


@pytest.fixture
def later(
    server: Server, api: httpx.Client, browser: httpx.Client, visit: Visit, user: dict[str, Any]
) -> Visit:
    """Return a second page session of a user with one factor, in which no code was entered."""
    visit.add()
    again = visit_page(server, api, browser, user)
    again.secrets = visit.secrets
    return again


def test_link_is_read_by_its_application_alone(api: httpx.Client, visit: Visit, anonymous_key: str) -> None:
    path = f"/authfactor/factors_links/{visit.link['id']}"
    read = fields(api.get(path), 200)
    assert (read["object"], read["status"], read["session_id"]) == ("factors_link", "opened", None)
    assert "url" not in read
    assert "factor_id" not in read
    assert api.get(path, headers={"authorization": f"Bearer {anonymous_key}"}).status_code == 401
    assert api.get(f"/authfactor/enrollment_links/{visit.link['id']}").status_code == 404
    assert api.post("/authfactor/factors_links", json={}).status_code == 422
    assert api.post("/authfactor/factors_links", json={"user_id": "user_x"}).status_code == 404


@pytest.fixture
def anonymous_key() -> str:
    return "sk_unknown"


def test_page_is_strict_and_is_not_cached(visit: Visit) -> None:
    page = visit.get()
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert "<script" not in page.text.partition("<main")[2].partition("</main>")[0]
    assert "style=" not in page.text


def test_other_browsers_and_sites_get_nothing(visit: Visit, browser: httpx.Client, server: Server) -> None:
    for cookie in ("", f"{visit.link['id']}=guess"):
        headers = {"cookie": cookie, "origin": server.url}
        assert browser.get(visit.home, headers=headers).status_code == 404
        for step in STEPS:
            assert browser.post(f"{visit.home}/{step}", headers=headers).status_code == 404, step
    for origin in ({}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        headers = {"cookie": visit.cookie, **origin}
        for step in STEPS:
            assert browser.post(f"{visit.home}/{step}", headers=headers).status_code == 403, step


def test_page_without_a_factor_says_what_to_do(visit: Visit) -> None:
    text = visit.get().text
    assert "No authenticator app yet" in text
    assert "No sign-in yet" in text
    assert "once you have an authenticator app" in text
    assert visit.get("/recovery-codes").headers["location"] == visit.home
    assert visit.post("/recovery-codes", replaces="0").headers["location"] == visit.home


def test_first_app_is_added_then_named_then_recovery_codes_are_shown_once(
    api: httpx.Client, visit: Visit, user: dict[str, Any]
) -> None:
    factor_id = visit.add()
    assert "Your authenticator app was added." in visit.get("?done=added").text
    assert KEY.search(visit.get("/add/code").text) is None
    renamed = visit.post(f"/rename/{factor_id}", name="Work <b>phone</b>")
    assert renamed.headers["location"] == f"{visit.home}?done=renamed"
    assert "Work &lt;b&gt;phone&lt;/b&gt;" in visit.get().text
    refused = visit.post(f"/rename/{factor_id}", name="x" * 65)
    assert refused.status_code == 422
    assert "at most 64 characters" in refused.text
    form = visit.get("/recovery-codes")
    assert "Get recovery codes?" in form.text
    made = visit.post("/recovery-codes", replaces="0")
    codes = CODE.findall(made.text)
    assert len(codes) == 10
    assert visit.post("/recovery-codes", replaces="0").headers["location"].endswith("codes_already_made")
    assert "were made a moment ago" in visit.get("?done=codes_already_made").text
    file = visit.post("/recovery-codes.txt", codes=" ".join(codes))
    assert file.text.split() == codes
    assert visit.post("/recovery-codes.txt", codes="x").status_code == 422
    assert "10 unused codes" in visit.get().text
    assert not CODE.findall(visit.get().text)
    names = {item["event"] for item in events_of(api, user)}
    assert {"authfactor.factor_renamed", "authfactor.recovery_codes_created"} <= names


def events_of(api: httpx.Client, user: dict[str, Any]) -> list[dict[str, Any]]:
    names = ["authfactor.factor_renamed", "authfactor.recovery_codes_created", "authfactor.factor_deleted"]
    query: dict[str, Any] = {"events": names, "limit": 100, "order": "desc"}
    found = fields(api.get("/events", params=query), 200)["data"]
    return [item for item in found if user["id"] in str(item["data"])]


def test_every_change_redirects_to_the_code_first(later: Visit) -> None:
    (factor_id,) = later.ids()
    for method, path, then in (
        (later.post, "/add", "add"),
        (later.get, "/add/code", "add"),
        (later.post, "/add/code", ""),
        (later.get, "/recovery-codes", "recovery-codes"),
        (later.post, "/recovery-codes", "recovery-codes"),
        (later.get, "/sessions", "sessions"),
        (later.post, "/sessions", "sessions"),
        (later.get, f"/remove/{factor_id}", factor_id),
        (later.post, f"/remove/{factor_id}", factor_id),
    ):
        response = method(path)
        assert response.status_code == 303, path
        if then:
            assert response.headers["location"] == f"{later.home}/confirm/{then}"
    assert len(later.ids()) == 1


@pytest.mark.parametrize(
    ("then", "path"),
    [
        ("add", "/add/code"),
        ("recovery-codes", "/recovery-codes"),
        ("sessions", "/sessions"),
        ("auth_factor_x", "/remove/auth_factor_x"),
        ("https:%2F%2Fevil.example", ""),
        ("%0d%0ax", ""),
    ],
)
def test_right_code_goes_on_with_what_was_asked_for(later: Visit, then: str, path: str) -> None:
    assert "First, confirm it" in later.get(f"/confirm/{then}").text
    gone_on = later.confirm(then)
    assert (gone_on.status_code, gone_on.headers["location"]) == (303, later.home + path)
    again = later.get(f"/confirm/{then}")
    assert again.status_code == 303


def test_wrong_codes_are_explained_and_counted(later: Visit) -> None:
    malformed = later.confirm("sessions", "12345")
    assert "A code is six digits." in malformed.text
    used = later.confirm("sessions", authenticator.code(later.secrets[-1]))
    assert (used.status_code, "already been used" in used.text) == (422, True)
    wrong = authenticator.wrong_code(later.secrets[-1])
    for _ in range(9):
        assert later.confirm("sessions", wrong).status_code == 422
    assert "Try again in" in later.confirm("sessions", wrong).text
    assert "Try again in" in later.confirm("sessions").text
    assert later.confirm("sessions", factor_id="auth_factor_x").headers["location"].endswith("done=gone")


def test_last_app_is_removed_only_after_its_warning(
    api: httpx.Client, visit: Visit, user: dict[str, Any]
) -> None:
    factor_id = visit.add()
    visit.post("/recovery-codes", replaces="0")
    page = visit.get(f"/remove/{factor_id}").text
    assert "your only authenticator app" in page
    assert "10 unused recovery codes will be deleted" in page
    unwarned = visit.post(f"/remove/{factor_id}")
    assert unwarned.headers["location"] == f"{visit.home}/remove/{factor_id}"
    assert visit.ids() == [factor_id]
    removed = visit.post(f"/remove/{factor_id}", last="yes")
    assert removed.headers["location"] == f"{visit.home}?done=removed_last"
    assert "Add a new one" in visit.get("?done=removed_last").text
    assert visit.ids() == []
    for again in (visit.post(f"/remove/{factor_id}", last="yes"), visit.get(f"/remove/{factor_id}")):
        assert again.headers["location"] == f"{visit.home}?done=gone"
    assert visit.post(f"/rename/{factor_id}", name="x").headers["location"] == f"{visit.home}?done=gone"
    assert "removed before" in visit.get("?done=gone").text
    deleted = [item for item in events_of(api, user) if item["event"] == "authfactor.factor_deleted"]
    assert len(deleted) == 1


def test_one_of_two_apps_goes_without_the_warning(visit: Visit) -> None:
    first = visit.add()
    second = visit.add()
    page = visit.get(f"/remove/{second}").text
    assert "your only authenticator app" not in page
    assert visit.post(f"/remove/{second}").headers["location"] == f"{visit.home}?done=removed"
    assert visit.ids() == [first]


def test_only_app_that_got_a_second_meanwhile_is_not_said_to_be_the_last(visit: Visit) -> None:
    first = visit.add()
    assert "your only authenticator app" in visit.get(f"/remove/{first}").text
    second = visit.add()
    assert visit.post(f"/remove/{first}", last="yes").headers["location"] == f"{visit.home}?done=removed"
    assert visit.ids() == [second]


def test_unknown_message_is_not_shown(visit: Visit) -> None:
    text = visit.get("?done=<b>x</b>").text
    assert 'role="status"' not in text
    assert "<b>x</b>" not in text


@pytest.mark.parametrize("replaces", ["", "x", "-1", "9" * 30, "²"])
def test_form_that_does_not_know_the_set_makes_no_codes(visit: Visit, replaces: str) -> None:
    visit.add()
    refused = visit.post("/recovery-codes", replaces=replaces)
    assert refused.headers["location"].endswith("done=codes_already_made")


def test_sign_ins_are_shown_in_plain_words_and_end(
    server: Server, api: httpx.Client, browser: httpx.Client
) -> None:
    email, password = f"{uuid.uuid4().hex}@example.org", uuid.uuid4().hex
    user = fields(api.post("/user_management/users", json={"email": email, "password": password}), 201)
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    body = {
        "grant_type": "password",
        "client_id": CLIENT_ID,
        "client_secret": API_KEY,
        "email": email,
        "password": password,
        "user_agent": agent,
        "ip_address": "192.0.2.44",
    }
    for _ in range(2):
        fields(api.post("/user_management/authenticate", json=body), 200)
    sessions = fields(api.get(f"/user_management/users/{user['id']}/sessions"), 200)["data"]
    visit = visit_page(server, api, browser, user, session_id=sessions[0]["id"])
    text = visit.get().text
    assert text.count("Firefox on Linux") == 2
    assert "from 192.0.2.44" in text
    assert text.count("(this browser)") == 1
    assert "1 active session will end" in visit.get("/sessions").text
    assert visit.post("/sessions").headers["location"] == f"{visit.home}?done=sessions_ended"
    left = fields(api.get(f"/user_management/users/{user['id']}/sessions"), 200)["data"]
    assert [each["id"] for each in left] == [sessions[0]["id"]]
    assert "There is no other active session" in visit.get("/sessions").text


def test_page_of_a_full_account_says_to_remove_one(server: Server, visit: Visit, api: httpx.Client) -> None:
    user_id = visit.link["user_id"]
    for _ in range(10):
        api.post(f"/user_management/users/{user_id}/auth_factors", json={"type": "totp"})
    assert "Remove one to add another" in visit.get().text
    assert visit.post("/add").headers["location"] == f"{visit.home}?done=full"


def test_leaving_closes_the_page_and_its_cookie(api: httpx.Client, visit: Visit) -> None:
    left = visit.post("/leave")
    assert left.status_code == 200
    assert "You are done here" in left.text
    assert "Max-Age=0" in left.headers["set-cookie"]
    assert visit.get().status_code == 404
    link = fields(api.get(f"/authfactor/factors_links/{visit.link['id']}"), 200)
    assert link["status"] == "completed"


def test_page_is_in_german_for_a_user_with_that_locale(
    server: Server, api: httpx.Client, browser: httpx.Client, user: dict[str, Any]
) -> None:
    visit = visit_page(server, api, browser, user)
    api.put(f"/user_management/users/{user['id']}", json={"locale": "de"})
    assert "Sicherheit Ihrer Anmeldung" in visit.get().text
    visit.post("/add")
    assert "Authenticator-App hinzufügen" in visit.get("/add/code").text
    assert "Ein Code besteht aus sechs Ziffern" in visit.post("/add/code", code="1").text


def test_reopening_the_link_leads_back_to_the_page(visit: Visit, browser: httpx.Client) -> None:
    path = "/link/" + visit.link["url"].rpartition("/")[2]
    again = browser.get(path, headers={"cookie": visit.cookie})
    assert (again.status_code, again.headers["location"]) == (303, visit.home)
    assert browser.post(path, headers={"origin": visit.server.url}).status_code == 410
