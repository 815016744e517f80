"""Passkeys on the pages of links, with an authenticator in software instead of a browser."""

import html
import json
import random
import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from authfactor.testing.software_authenticator import HONEST, Behavior, SoftwareAuthenticator
from tests.support import authenticator
from tests.support.server_process import Server, assert_no_surprise, fields

OPTIONS = re.compile(r'data-passkey-options="([^"]*)"')
SIGNALS = re.compile(r'data-passkey-signals="([^"]*)"')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("passkeys") / "data", {"AUTHFACTOR_TEAM_NAME": "Acme"})
    started._environment["AUTHFACTOR_BASE_URL"] = started.url.replace("127.0.0.1", "localhost")
    started.start()
    yield started
    assert started.stop() == 0, started.output()
    assert_no_surprise(started)


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


class Visitor:
    """A user with an authenticator and a browser without scripts."""

    def __init__(self, server: Server, api: httpx.Client) -> None:
        self.api = api
        self.origin = server.url.replace("127.0.0.1", "localhost")
        self.device = SoftwareAuthenticator(random.Random(uuid.uuid4().int).randbytes)
        made = api.post("/user_management/users", json={"email": f"{uuid.uuid4().hex}@example.org"})
        self.id = str(fields(made, 201)["id"])
        headers = {"sec-fetch-site": "same-origin"}
        self.browser = httpx.Client(base_url=server.url, headers=headers, follow_redirects=True)
        self.page = httpx.Response(200)

    def link(self, kind: str) -> dict[str, Any]:
        return fields(self.api.post(f"/authfactor/{kind}_links", json={"user_id": self.id}), 201)

    def open(self, kind: str) -> str:
        """Open a link; return the path of its page."""
        link = self.link(kind)
        self.page = self.browser.post("/link/" + str(link["url"]).rpartition("/")[2])
        assert self.page.status_code == 200
        return self.page.url.path

    def options(self) -> dict[str, Any]:
        (found,) = OPTIONS.findall(self.page.text)
        return dict(json.loads(html.unescape(found)))

    def post(self, path: str, **form: str) -> httpx.Response:
        self.page = self.browser.post(path, data=form)
        return self.page

    def create(self, behavior: Behavior = HONEST, name: str = "") -> httpx.Response:
        """Open an enrollment link and create a passkey."""
        path = self.open("enrollment") + "/passkey"
        self.post(path)
        return self.respond(path, behavior, name)

    def respond(self, path: str, behavior: Behavior = HONEST, name: str = "") -> httpx.Response:
        (registration,) = re.findall(r'name="registration_id" value="([^"]+)"', self.page.text)
        credential = json.dumps(self.device.create(self.options(), self.origin, behavior))
        return self.post(path, registration_id=registration, name=name, credential=credential)

    def sign(self, behavior: Behavior = HONEST) -> str:
        return json.dumps(self.device.get(self.options(), self.origin, behavior))


@pytest.fixture
def visitor(server: Server, api: httpx.Client) -> Iterator[Visitor]:
    made = Visitor(server, api)
    yield made
    made.browser.close()


def test_a_passkey_is_created_and_used_on_the_pages(visitor: Visitor) -> None:
    assert "From now on, Acme may ask you for your passkey" in visitor.create(name='<b>"Key"').text
    (factor,) = fields(visitor.api.get(f"/authfactor/users/{visitor.id}/factors"), 200)["data"]
    assert factor["name"] == '<b>"Key"'
    path = visitor.open("challenge")
    assert 'name="code" type="text" inputmode' not in visitor.page.text
    answered = visitor.post(path, code=visitor.sign())
    assert "Your passkey was accepted" in answered.text
    assert answered.headers["permissions-policy"].count("publickey-credentials-get=()") == 1


def test_only_pages_that_ask_for_passkeys_may_use_them(visitor: Visitor) -> None:
    path = visitor.open("enrollment")
    assert "publickey-credentials-create=()" in visitor.page.headers["permissions-policy"]
    page = visitor.post(f"{path}/passkey")
    assert "publickey-credentials-create=(self)" in page.headers["permissions-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "<script>" not in page.text


def test_a_refused_passkey_is_named_and_the_page_asks_again(visitor: Visitor) -> None:
    page = visitor.create(Behavior(origin="https://evil.example"))
    assert (page.status_code, "was not accepted" in page.text) == (422, True)
    path = page.url.path
    for junk in ("", "{", "[]", "x" * 9000):
        (registration,) = re.findall(r'name="registration_id" value="([^"]+)"', visitor.page.text)
        refused = visitor.post(path, registration_id=registration, credential=junk)
        assert (refused.status_code, "was not accepted" in refused.text) == (422, True)
    expired = visitor.post(path, registration_id="passkey_registration_unknown", credential=json.dumps({}))
    assert expired.status_code == 422
    visitor.device = SoftwareAuthenticator(random.Random(7).randbytes)
    assert "Two-step sign-in is set up" in visitor.respond(path).text
    path = visitor.open("challenge")
    for behavior, text in (
        (Behavior(origin="https://evil.example"), "was not accepted"),
        (Behavior(counter=0), "may have been copied"),
    ):
        page = visitor.post(path, code=visitor.sign(behavior))
        assert (page.status_code, text in page.text) == (422, True)
        assert SIGNALS.findall(page.text) == []


def test_an_expired_registration_is_begun_again(visitor: Visitor) -> None:
    path = visitor.open("enrollment") + "/passkey"
    visitor.post(path)
    credential = json.dumps(visitor.device.create(visitor.options(), visitor.origin, HONEST))
    page = visitor.post(path, registration_id="passkey_registration_x", credential=credential)
    assert (page.status_code, "That took too long" in page.text) == (422, True)


def test_the_browser_learns_of_a_passkey_that_does_not_exist(visitor: Visitor) -> None:
    visitor.create()
    first = visitor.device
    visitor.device = SoftwareAuthenticator(random.Random(8).randbytes)
    path = visitor.open("enrollment") + "/passkey"
    visitor.post(path)
    asked, visitor.device = visitor.device, first
    visitor.post(f"{path}/confirm", code=visitor.sign())
    visitor.device = asked
    visitor.respond(path)
    path = visitor.open("challenge")
    found = fields(visitor.api.get(f"/authfactor/users/{visitor.id}/factors"), 200)["data"]
    code = visitor.sign()
    newest = max(each["id"] for each in found)
    visitor.api.delete(f"/auth/factors/{newest}").raise_for_status()
    page = visitor.post(path, code=code)
    assert "no longer belongs to your account" in page.text
    (signal,) = SIGNALS.findall(page.text)
    told = json.loads(html.unescape(signal))["signalUnknownCredential"]
    assert told == {"rpId": "localhost", "credentialId": json.loads(code)["id"]}


def test_an_existing_app_is_asked_for_first(visitor: Visitor) -> None:
    made = fields(
        visitor.api.post(f"/user_management/users/{visitor.id}/auth_factors", json={"type": "totp"}), 201
    )
    secret = made["authentication_factor"]["totp"]["secret"]
    path = f"/auth/challenges/{made['authentication_challenge']['id']}/verify"
    fields(visitor.api.post(path, json={"code": authenticator.code(secret)}), 201)
    path = visitor.open("enrollment") + "/passkey"
    page = visitor.post(path)
    assert "You already have a way to confirm" in page.text
    for code, status in ((authenticator.wrong_code(secret), 422), ("x", 422)):
        assert visitor.post(f"{path}/confirm", code=code).status_code == status
    assert visitor.post(f"{path}/confirm", code="123456", factor_id="auth_factor_x").status_code == 200
    page = visitor.post(path, credential="{}", registration_id="x")
    assert (page.status_code, "You already have a way" in page.text) == (200, True)
    for _ in range(10):
        page = visitor.post(f"{path}/confirm", code=authenticator.wrong_code(secret))
    assert (page.status_code, "Too many wrong codes" in page.text) == (422, True)


def test_a_get_of_a_step_leads_to_the_page_of_the_link(visitor: Visitor) -> None:
    path = visitor.open("enrollment")
    for step in ("/passkey", "/passkey/confirm"):
        assert visitor.browser.get(path + step).url.path == path


def test_another_site_cannot_post_a_passkey(visitor: Visitor) -> None:
    path = visitor.open("enrollment") + "/passkey"
    refused = visitor.browser.post(path, headers={"sec-fetch-site": "cross-site"})
    assert refused.status_code == 403
