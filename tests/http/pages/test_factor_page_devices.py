"""Trusted devices on the page on which users manage their factors, without a browser."""

import re
from typing import Any, Final

import httpx
import pytest

from tests.http.pages.test_factor_pages import Visit, visit_page
from tests.http.pages.test_trusted_browsers import SECRET, TrustingBrowser, trusting_api
from tests.support.server_process import Server, fields

__all__ = ["trusting_api"]
FORGET: Final = re.compile(r"/forget/(trusted_device_\w+)")


class Guest:
    """A user with a trusted browser, on the page without a code yet."""

    def __init__(self, kim: TrustingBrowser, visit: Visit) -> None:
        self.kim = kim
        self.visit = visit
        (self.device_id,) = FORGET.findall(visit.get().text)

    def statuses(self) -> list[str]:
        return [device["status"] for device in self.kim.devices()]


@pytest.fixture
def guest(server: Server, browser: httpx.Client, trusting_api: httpx.Client) -> Guest:
    kim = TrustingBrowser(server, browser, trusting_api)
    kim.trust()
    visit = visit_page(server, trusting_api, browser, {"id": kim.user})
    visit.secrets = [SECRET]
    return Guest(kim, visit)


def test_device_is_forgotten_once_a_code_was_right(guest: Guest) -> None:
    visit, path = guest.visit, f"/forget/{guest.device_id}"
    page = visit.get().text
    assert "Trusted devices" in page
    assert 'aria-label="Forget Unknown browser"' in page
    assert "Trusted until" in page
    asked = visit.post(path)
    assert asked.headers["location"] == f"{visit.home}/confirm/{guest.device_id}"
    assert guest.statuses() == ["active"]
    done = visit.confirm(guest.device_id, guest.kim.code())
    assert done.headers["location"] == f"{visit.home}?done=forgotten"
    assert guest.statuses() == ["ended"]
    after = visit.get("?done=forgotten").text
    assert "The device was forgotten" in after
    assert FORGET.findall(after) == []
    # Already ended: nothing more happens.
    assert visit.post(path).headers["location"] == f"{visit.home}?done=forgotten"
    for unknown in ("trusted_device_x", "%00", "auth_factor_x"):
        gone = visit.post(f"/forget/{unknown}")
        assert (gone.status_code, gone.headers.get("location", "gone")[-4:]) in {(303, "gone"), (404, "gone")}
    assert "not trusted any more" in visit.get("?done=device_gone").text


def test_wrong_code_forgets_nothing(guest: Guest) -> None:
    assert guest.visit.confirm(guest.device_id, "12345").status_code == 422
    assert guest.statuses() == ["active"]


def test_end_of_sessions_says_that_devices_are_forgotten(guest: Guest, trusting_api: httpx.Client) -> None:
    visit = guest.visit
    assert visit.confirm("sessions", guest.kim.code()).status_code == 303
    # No session: nothing to end here.
    assert "There is no other active session" in visit.get("/sessions").text
    german: dict[str, Any] = {"headers": {"cookie": visit.cookie, "accept-language": "de"}}
    assert "Vertraute Geräte" in visit.browser.get(visit.home, **german).text
    assert visit.post("/sessions").headers["location"] == f"{visit.home}?done=sessions_ended"
    assert guest.statuses() == ["ended"]
    assert fields(trusting_api.get(f"/user_management/users/{guest.kim.user}/sessions"), 200)["data"] == []


def test_page_of_an_environment_without_trusted_devices_has_no_such_section(
    server: Server, api: httpx.Client, browser: httpx.Client
) -> None:
    user = fields(api.post("/user_management/users", json={"email": "no.devices@example.org"}), 201)
    assert "Trusted devices" not in visit_page(server, api, browser, user).get().text
