"""The page docs/how-to/passkeys.md: its script in a real browser, its program behind it, its commands."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import Page

from authfactor.client import MfaChallengeError
from tests.support import documented_commands
from tests.support.browser_user import BrowserUser
from tests.support.server_process import API_KEY, CLIENT_ID, Server, clean_environment, fields

PAGE: Final = Path(__file__).parents[2] / "docs" / "how-to" / "passkeys.md"
PASSWORD: Final = "seven green bottles"
AUTHENTICATOR: Final = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
Functions = dict[str, Callable[[dict[str, Any]], object]]


def program(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


@contextmanager
def website(functions: Functions) -> Iterator[str]:
    """Serve a page with the script, and each function under its path; return the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send("text/html", f"<!doctype html><title>Shop</title><script>{program('js')}</script>")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self._send("application/json", json.dumps(functions[self.path](body)))

        def _send(self, media: str, text: str) -> None:
            self.send_response(200)
            self.send_header("content-type", f"{media}; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def application(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Run the page's program; return its names."""
    for name, value in (("BASE_URL", server.url), ("API_KEY", API_KEY), ("CLIENT_ID", CLIENT_ID)):
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {}
    exec(compile(program("python"), str(PAGE), "exec"), names)  # noqa: S102 - a program of our own page
    yield names
    names["client"].close()


def run_commands(server: Server, folder: Path, *blocks: str, **words: str) -> list[str]:
    environment = clean_environment(
        AUTHFACTOR_DATA=str(server.data), BASE_URL=server.url, API_KEY=API_KEY, **words
    )
    return documented_commands.in_one_shell(list(blocks), folder, environment).outputs


def test_users_register_and_use_passkeys_on_the_page_of_an_application(
    server: Server,
    api: httpx.Client,
    user: BrowserUser,
    application: dict[str, Any],
    page: Page,
    tmp_path: Path,
) -> None:
    session: dict[str, Any] = {"user_id": user.user_id}
    functions: Functions = {
        "/passkeys/begin": lambda body: application["begin_passkey"](session, body["name"]),
        "/passkeys/finish": lambda body: application["finish_passkey"](session, body["credential"]),
        "/sign-in/begin": lambda _: application["begin_sign_in"](session),
        "/sign-in/finish": lambda body: application["finish_sign_in"](session, body["credential"]),
        "/sign-in/code": lambda body: application["finish_second_factor"](session, body["code"]),
    }
    name, challenge, get, commands = documented_commands.blocks(PAGE)
    fields(api.put(f"/user_management/users/{user.user_id}", json={"password": PASSWORD}), 200)
    with website(functions) as origin:
        run_commands(
            server,
            tmp_path,
            name.replace('"example.org"', '"localhost"').replace("https://app.example.org", origin),
        )
        time.sleep(1)  # callers are cached
        debugger = page.context.new_cdp_session(page)
        debugger.send("WebAuthn.enable")
        debugger.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        page.goto(origin)
        assert page.evaluate("supported")
        assert page.evaluate("addPasskey('Laptop')") is True
        (passkey,) = application["client"].mfa.list_all_factors(user.user_id).data
        assert (passkey.name, passkey.state) == ("Laptop", "active")
        assert page.evaluate("addPasskey('Again').catch((error) => error.name)") == "InvalidStateError"

        session.clear()
        assert page.evaluate("signIn()") is True
        assert session["user_id"] == user.user_id

        session.clear()
        with pytest.raises(MfaChallengeError) as required:
            application["client"].user_management.authenticate_with_password(
                email=user.email, password=PASSWORD
            )
        (made,) = run_commands(server, tmp_path, challenge, FACTOR_ID=passkey.id)
        (again,) = run_commands(server, tmp_path, get, CHALLENGE_ID=json.loads(made)["id"])
        assert json.loads(again)["webauthn"] == json.loads(made)["webauthn"]
        session["pending_token"] = required.value.pending_authentication_token
        session["challenge"] = json.loads(made)["id"]
        options = json.loads(made)["webauthn"]["public_key"]
        assert page.evaluate("(options) => secondFactor(options)", options) is True
        assert session["user_id"] == user.user_id
        # Other tests made environments on this server: name the one that the page takes for granted.
        commands = commands.replace("authfactor factors", "authfactor --environment default factors")
        (listed,) = run_commands(server, tmp_path, commands, USER_ID=user.user_id, FACTOR_ID=passkey.id)
        assert passkey.id in listed
        assert application["client"].mfa.list_all_factors(user.user_id).data == ()
