"""A browser that its user trusts completes later challenge links without a code."""

import json
import uuid
from http.cookies import SimpleCookie
from typing import Any, Final

import httpx
import pytest

from tests.support import authenticator
from tests.support.server_process import Server, fields

SECRET: Final = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
BOX: Final = 'name="remember_device"'
MONTH: Final = 30 * 24 * 3600


class TrustingBrowser:
    """A browser of one user, with its cookies."""

    def __init__(self, server: Server, browser: httpx.Client, api: httpx.Client) -> None:
        self._server = server
        self._browser = browser
        self._api = api
        self.cookies: dict[str, str] = {}
        self.set: SimpleCookie = SimpleCookie()
        email = {"email": f"{uuid.uuid4().hex}@example.org"}
        self.user = fields(api.post("/user_management/users", json=email), 201)["id"]
        body = {"type": "totp", "totp_secret": SECRET}
        made = fields(api.post(f"/user_management/users/{self.user}/auth_factors", json=body), 201)
        self.factor = made["factor"]["id"]
        self._used = 0

    @property
    def device_cookie(self) -> str:
        return f"device-{self.user}"

    def code(self) -> str:
        """Return a code that was not used before; only two are good at a time."""
        self._used += 1
        return authenticator.code(SECRET, self._used - 2)

    def open(self, **fields_of_link: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
        """Open a new challenge link of the user; return the link, with the place that it leads to."""
        body = {"user_id": self.user, "remember_device": True, **fields_of_link}
        link = fields(self._api.post("/authfactor/challenge_links", json=body), 201)
        answer = self._send("POST", f"/link/{link['url'].rpartition('/')[2]}")
        return {**link, "to": answer.headers["location"]}

    def get(self, link: dict[str, Any]) -> str:
        return self._send("GET", link["to"]).text

    def submit(self, link: dict[str, Any], code: str, **form: str) -> httpx.Response:
        return self._send("POST", link["to"], code=code, **form)

    def method(self, link: dict[str, Any]) -> tuple[str, str | None]:
        found = fields(self._api.get(f"/authfactor/challenge_links/{link['id']}"), 200)
        return found["status"], found["method"]

    def devices(self) -> list[dict[str, Any]]:
        listed = self._api.get(f"/authfactor/users/{self.user}/trusted_devices")
        return list(fields(listed, 200)["data"])

    def trust(self) -> None:
        """Complete a link with the box ticked."""
        assert self.submit(self.open(), self.code(), remember_device="1").status_code == 303

    def _send(self, method: str, path: str, **form: str) -> httpx.Response:
        headers = {
            "origin": self._server.url,
            "user-agent": "Firefox",
            "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        answer = self._browser.request(method, path, data=form or None, headers=headers)
        self.set = SimpleCookie()
        for text in answer.headers.get_list("set-cookie"):
            self.set.load(text)
        for name, morsel in self.set.items():
            self.cookies.pop(name, None)
            if morsel["max-age"] != "0":
                self.cookies[name] = morsel.value
        return answer


@pytest.fixture(scope="module")
def trusting_api(server: Server) -> Any:  # noqa: ANN401 - a client
    """Return a client of an environment that allows trusted devices."""
    name = f"trusting-{uuid.uuid4().hex[:8]}"
    key = json.loads(server.run("--json", "environments", "create", name).stdout)["api_key"]
    for options in (
        ("--trusted-devices", "allowed"),
        ("--page-redirect", "https://app.example.org/welcome"),
    ):
        assert server.run("environments", "update", name, *options).returncode == 0
    with server.client(key) as client:
        yield client


@pytest.fixture
def kim(server: Server, browser: httpx.Client, trusting_api: httpx.Client) -> TrustingBrowser:
    return TrustingBrowser(server, browser, trusting_api)


def test_ticked_box_spares_the_code_of_the_next_link(kim: TrustingBrowser) -> None:
    link = kim.open()
    page = kim.get(link)
    assert BOX in page
    assert "for 30 days" in page
    assert "checked" not in page
    kim.submit(link, kim.code(), remember_device="1")
    morsel = kim.set[kim.device_cookie]
    # On loopback, as here, without `__Host-` and `Secure` (`browser_security.cookie`).
    assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "Lax", "/")
    assert MONTH - 60 <= int(morsel["max-age"]) <= MONTH
    assert kim.method(link) == ("completed", "totp")
    (device,) = kim.devices()
    assert (device["status"], device["ip_address"], device["user_agent"]) == (
        "active",
        "127.0.0.1",
        "Firefox",
    )
    before = kim.cookies[kim.device_cookie]
    for _ in range(2):
        again = kim.open(return_to="https://app.example.org/welcome")
        assert again["to"] == "https://app.example.org/welcome"
        assert kim.method(again) == ("completed", "trusted_device")
        assert kim.cookies[kim.device_cookie] != before
        before = kim.cookies[kim.device_cookie]
    done = kim.open()
    assert 'role="status"' in kim.get(done)


def test_box_left_alone_trusts_nothing(kim: TrustingBrowser) -> None:
    link = kim.open()
    kim.submit(link, kim.code())
    assert kim.device_cookie not in kim.cookies
    assert kim.devices() == []


def test_wrong_code_trusts_nothing(kim: TrustingBrowser) -> None:
    link = kim.open()
    kim.submit(link, authenticator.wrong_code(SECRET), remember_device="1")
    assert kim.device_cookie not in kim.cookies
    assert kim.devices() == []


def test_recovery_code_trusts_nothing(kim: TrustingBrowser, trusting_api: httpx.Client) -> None:
    codes = fields(trusting_api.post(f"/authfactor/users/{kim.user}/recovery_codes"), 201)["codes"]
    link = kim.open()
    assert kim.submit(link, codes[0], remember_device="1").status_code == 303
    assert kim.method(link) == ("completed", "recovery_code")
    assert kim.device_cookie not in kim.cookies
    assert kim.devices() == []


def test_form_sent_twice_trusts_once(kim: TrustingBrowser) -> None:
    link, code = kim.open(), kim.code()
    for _ in range(2):
        assert kim.submit(link, code, remember_device="1").status_code == 303
    assert len(kim.devices()) == 1


def test_link_without_the_option_neither_offers_nor_accepts(kim: TrustingBrowser) -> None:
    kim.trust()
    link = kim.open(remember_device=False)
    assert BOX not in kim.get(link)
    assert kim.method(link) == ("opened", None)
    kim.submit(link, kim.code(), remember_device="1")
    assert len(kim.devices()) == 1


def test_environment_that_trusts_no_device_offers_none(
    server: Server, browser: httpx.Client, api: httpx.Client
) -> None:
    kim = TrustingBrowser(server, browser, api)
    link = kim.open()
    assert BOX not in kim.get(link)
    kim.submit(link, kim.code(), remember_device="1")
    assert kim.method(link) == ("completed", "totp")
    assert kim.device_cookie not in kim.cookies
    assert kim.devices() == []


def test_revoked_browser_enters_a_code_and_loses_its_cookie(
    kim: TrustingBrowser, trusting_api: httpx.Client
) -> None:
    kim.trust()
    assert trusting_api.delete(f"/authfactor/users/{kim.user}/trusted_devices").status_code == 204
    link = kim.open()
    assert kim.device_cookie not in kim.cookies
    assert kim.method(link) == ("opened", None)
    assert BOX in kim.get(link)
    kim.submit(link, kim.code())
    assert kim.method(link) == ("completed", "totp")


def test_cookie_of_another_user_is_not_accepted(
    kim: TrustingBrowser, server: Server, browser: httpx.Client, trusting_api: httpx.Client
) -> None:
    kim.trust()
    lee = TrustingBrowser(server, browser, trusting_api)
    lee.cookies = {lee.device_cookie: kim.cookies[kim.device_cookie], **kim.cookies}
    assert lee.method(lee.open()) == ("opened", None)
    assert kim.method(kim.open()) == ("completed", "trusted_device")


def test_stolen_cookie_is_noticed_at_its_second_use(kim: TrustingBrowser) -> None:
    kim.trust()
    stolen = dict(kim.cookies)
    kim.open()
    kim.open()
    kim.cookies = stolen
    assert kim.method(kim.open()) == ("opened", None)
    assert [device["status"] for device in kim.devices()] == ["ended"]


def test_page_speaks_german(kim: TrustingBrowser, server: Server, browser: httpx.Client) -> None:
    link = kim.open()
    headers = {
        "cookie": "; ".join(f"{name}={value}" for name, value in kim.cookies.items()),
        "accept-language": "de",
    }
    assert "30 Tage lang nicht mehr fragen" in browser.get(link["to"], headers=headers).text
