"""A user with a phone, who follows links, scans QR codes and types codes."""

from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import zxingcpp
from playwright.sync_api import Page, expect

from tests.support import authenticator
from tests.support.qr_reader import screenshot_of
from tests.support.server_process import Server, fields
from tests.support.web_application import Application

CODE: Final = "Code"


@dataclass(frozen=True)
class Setting:
    """A user's surroundings: the API with the application's key, the server, the application."""

    api: httpx.Client
    server: Server
    app: Application

    @property
    def welcome(self) -> str:
        return f"{self.app.url}/welcome"


@dataclass
class BrowserUser:
    """A user of the application."""

    setting: Setting
    user_id: str
    email: str
    secret: str = ""
    factor_id: str = ""
    spent: list[str] = field(default_factory=list)

    def link(self, kind: str = "enrollment", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
        body = {"user_id": self.user_id, "return_to": self.setting.welcome, **more}
        return fields(self.setting.api.post(f"/authfactor/{kind}_links", json=body), 201)

    def status(self, link: dict[str, Any]) -> str:
        return str(fields(self.setting.api.get(f"/authfactor/{link['object']}s/{link['id']}"), 200)["status"])

    def enroll_by_api(self) -> None:
        """Enroll an active factor and spend a step of it."""
        path = f"/user_management/users/{self.user_id}/auth_factors"
        made = fields(self.setting.api.post(path, json={"type": "totp"}), 201)
        self.secret = made["authentication_factor"]["totp"]["secret"]
        self.factor_id = made["authentication_factor"]["id"]
        self.spent.append(authenticator.code(self.secret))
        verify = f"/auth/challenges/{made['authentication_challenge']['id']}/verify"
        answer = fields(self.setting.api.post(verify, json={"code": self.spent[-1]}), 201)
        assert answer["valid"] is True

    def open(self, page: Page, link: dict[str, Any]) -> None:
        """Follow a link and press the button."""
        page.goto(link["url"])
        page.get_by_role("button").click()
        page.wait_for_url("**/link_*")

    def scan(self, page: Page) -> str:
        """Scan the QR code on the screen and return its URI."""
        found = zxingcpp.read_barcodes(screenshot_of(page))
        assert len(found) == 1, "no QR symbol on the screen"
        uri = found[0].text
        parts = urlsplit(uri)
        assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
        assert unquote(parts.path).endswith(f":{self.email}")
        self.secret = parse_qs(parts.query)["secret"][0]
        return uri

    def code(self, ahead: int = 0) -> str:
        return authenticator.code(self.secret, ahead)

    def wrong(self) -> str:
        return authenticator.wrong_code(self.secret)

    def type_code(self, page: Page, code: str) -> None:
        page.get_by_label(CODE, exact=True).fill(code)
        page.get_by_label(CODE, exact=True).press("Enter")

    def return_to_application(self, page: Page) -> None:
        """Go back without recovery codes, which a user who has just enrolled and has none is offered."""
        expect(page.get_by_role("button", name="Show recovery codes")).to_be_visible()
        page.get_by_role("link", name="Back to Acme").click()
        page.wait_for_url(f"{self.setting.welcome}*")

    def expect_problem(self, page: Page, text: str) -> None:
        """Expect the message, associated with the code field, which has the focus and is empty."""
        expect(page.get_by_role("alert")).to_contain_text(text)
        box = page.get_by_label(CODE, exact=True)
        expect(box).to_have_attribute("aria-invalid", "true")
        expect(box).to_have_attribute("aria-describedby", "hint problem")
        expect(box).to_be_focused()
        expect(box).to_have_value("")
