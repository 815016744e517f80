"""A page of its own with the script passkeys.js, under the policy of our pages; it keeps what is posted."""

import html
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs

from playwright.sync_api import Page

from authfactor.http.pages import assets, browser_security
from authfactor.webauthn import ceremony, options, relying_party, responses
from authfactor.webauthn.relying_party import RelyingParty

CHALLENGE: Final = bytes(range(32))
HANDLE: Final = b"h" * 32
SCRIPT: Final = (assets.FOLDER / "passkeys.js").read_text(encoding="utf-8")


class PasskeySite:
    """A page on localhost."""

    def __init__(self) -> None:
        self.body = ""
        self.posted: list[dict[str, list[str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/passkeys.js":
                    self._send("text/javascript", SCRIPT)
                else:
                    self._send(
                        "text/html", f'<!doctype html><script src="/passkeys.js" defer></script>{site.body}'
                    )

            def do_POST(self) -> None:
                site.posted.append(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))
                self._send("text/html", "<!doctype html><h1>Posted</h1>")

            def _send(self, media: str, text: str) -> None:
                self.send_response(200)
                for name, value in browser_security.page_headers(passkeys=True):
                    if name != b"content-type":
                        self.send_header(name.decode(), value.decode())
                self.send_header("content-type", f"{media}; charset=utf-8")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}"

    @property
    def settings(self) -> RelyingParty:
        return relying_party.for_base_url(self.url, "Acme")

    def show(self, page: Page, kind: str, given: dict[str, Any], more: str = "", field: str = "") -> None:
        """Open a page with a form of this kind, and more beside it."""
        self.body = (
            f'<form method="post" data-passkey="{kind}" {more}'
            f' data-passkey-options="{html.escape(json.dumps(given))}">'
            f'{field}<input type="hidden" name="credential" data-passkey-response>'
            '<p role="alert" hidden data-passkey-problem data-canceled="Canceled" data-exists="Exists"'
            ' data-failed="Failed"></p><button hidden data-passkey-only>Go</button></form>'
            "<p data-passkey-missing>No passkeys here</p>"
        )
        page.goto(self.url)

    def create(self, page: Page, existing: list[bytes] | None = None, field: str = "") -> None:
        known = [options.KnownCredential(each) for each in existing or ()]
        account = options.Account(HANDLE, "ada@example.org", "Ada")
        self.show(
            page, "create", options.creation_options(self.settings, account, CHALLENGE, known), field=field
        )

    def signal(self, page: Page, signals: dict[str, Any]) -> None:
        """Open a page with signals."""
        self.body = f'<p data-passkey-signals="{html.escape(json.dumps(signals))}"></p>'
        page.goto(self.url)

    def made(self) -> ceremony.NewCredential:
        (posted,) = self.posted.pop()["credential"]
        return ceremony.verify_registration(
            self.settings, CHALLENGE, responses.read_registration(posted.encode())
        )


@contextmanager
def passkey_site() -> Iterator[PasskeySite]:
    """Serve the page."""
    made = PasskeySite()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()
