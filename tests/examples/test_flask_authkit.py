"""The application in examples/flask-authkit, on the newest Python SDK, in Chromium."""

import base64
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.chromium import chromium
from tests.support.example_application import EXAMPLES, install_python, running_on
from tests.support.hosted_walk import (
    active_sessions,
    enroll,
    new_page,
    new_user,
    register,
    sign_in_with_code,
)
from tests.support.server_process import API_KEY, CLIENT_ID, Server, free_port

pytestmark = [pytest.mark.examples, pytest.mark.timeout(300)]


def test_a_user_enrolls_refreshes_signs_out_and_signs_in_with_a_code(
    server: Server, needs: Callable[[str], Path], tmp_path: Path
) -> None:
    programs, port = install_python("flask-authkit"), free_port()
    url = f"http://localhost:{port}"
    settings = {
        "WORKOS_BASE_URL": server.url,
        "WORKOS_API_KEY": API_KEY,
        "WORKOS_CLIENT_ID": CLIENT_ID,
        "WORKOS_COOKIE_PASSWORD": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "REDIRECT_URI": f"{url}/callback",
    }
    command = [str(programs / "flask"), "run", "--port", str(port)]
    register(server, url, f"{url}/sign-in")
    with (
        running_on(port, command, EXAMPLES / "flask-authkit", settings, tmp_path / "log"),
        chromium(needs("chromium")) as browser,
        new_page(browser) as page,
        new_user(server, url) as user,
    ):
        heading = page.get_by_role("heading", name=f"Account of {user.email}")
        page.goto(url)
        enroll(page, user)
        expect(heading).to_be_visible()
        (session,) = active_sessions(user)
        expect(page.locator("#session")).to_have_text(session["id"])

        (before,) = (each for each in page.context.cookies(url) if each["name"] == "session")
        page.get_by_role("button", name="Refresh").click()
        expect(heading).to_be_visible()
        (after,) = (each for each in page.context.cookies(url) if each["name"] == "session")
        assert after["value"] != before["value"], "the refresh was refused"
        expect(page.locator("#session")).to_have_text(session["id"])

        # After the sign-out the hosted pages ask for everything again.
        page.get_by_role("button", name="Sign out").click()
        page.locator("#password").wait_for()
        assert active_sessions(user) == []
        sign_in_with_code(page, user)
        expect(heading).to_be_visible()
        (again,) = active_sessions(user)
        assert again["id"] != session["id"]

        page.get_by_role("button", name="Sign out").click()
        page.locator('form[action$="/cancel"] button').click()
        page.wait_for_url(f"{url}/callback?error=access_denied*")
        expect(page.locator("body")).to_contain_text("You are not signed in.")

        # A code that another browser was given is refused.
        page.goto(f"{url}/callback?code=stolen&state=of-another-browser")
        expect(page.locator("body")).to_contain_text("You are not signed in.")
        page.context.clear_cookies()
        page.goto(f"{url}/callback?code=stolen&state=of-another-browser")
        expect(page.locator("body")).to_contain_text("You are not signed in.")
