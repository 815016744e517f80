"""Take screenshots of the pages for the docs: every scene at 390 and 1280 px, light and dark.

Usage: python tools/screenshots.py [--into DIR] [--only WORD]   (make screenshots)

Needs chromium. A scene is a generator in SCENES: it drives a page and yields a name for each screenshot.
"""

import argparse
import base64
import io
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.browser_user import BrowserUser, Setting  # noqa: E402 - the same
from tests.support.server_process import API_KEY, CLIENT_ID, Server  # noqa: E402 - the same
from tests.support.virtual_authenticator import VirtualAuthenticator  # noqa: E402 - the same
from tests.support.web_application import Application, application  # noqa: E402 - the path comes first

USER_PASSWORD = secrets.token_urlsafe(16)
SIZES = {390: 844, 1280: 860}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
Scene = Callable[[Page, Setting], Iterator[str]]


def newcomer(setting: Setting, name: str) -> BrowserUser:
    """Create a user, after deleting an earlier one with the same email."""
    known = setting.api.get("/user_management/users", params={"email": f"{name}@example.org"}).json()["data"]
    for user in known:
        setting.api.delete(f"/user_management/users/{user['id']}")
    user = setting.api.post("/user_management/users", json={"email": f"{name}@example.org"}).json()
    return BrowserUser(setting, user["id"], user["email"])


def enrolling(page: Page, setting: Setting) -> Iterator[str]:
    """Enrollment by link: start, picture, key, a wrong code, done, recovery codes."""
    user = newcomer(setting, "pat")
    page.goto(user.link(return_to=None)["url"])
    yield "enroll-start"
    page.get_by_role("button").click()
    page.wait_for_url("**/enroll/*")
    yield "enroll"
    user.scan(page)
    page.locator("summary").click()
    yield "enroll-key"
    page.locator("summary").click()
    user.type_code(page, user.wrong())
    yield "enroll-wrong-code"
    user.type_code(page, user.code())
    page.get_by_role("status").wait_for()
    yield "enroll-done"
    page.get_by_role("button", name="Show recovery codes").click()
    page.locator(".recovery-codes").wait_for()
    yield "recovery-codes"


def challenging(page: Page, setting: Setting) -> Iterator[str]:
    """Challenge by link: the form, the one for a recovery code, too many wrong codes, and a used link."""
    user = newcomer(setting, "kim")
    user.enroll_by_api()
    link = user.link("challenge")
    user.open(page, link)
    yield "challenge"
    page.locator("summary").click()
    yield "challenge-recovery-code"
    for _ in range(5):
        user.type_code(page, user.wrong())
    yield "challenge-ended"
    page.context.clear_cookies()
    page.goto(link["url"])
    yield "link-used"


def with_passkeys(page: Page, setting: Setting) -> Iterator[str]:
    """A passkey beside an app, by links, with a virtual authenticator: offer, proof, creation, challenge."""
    VirtualAuthenticator(page)
    user = newcomer(setting, "lee")
    user.open(page, user.link())
    yield "enroll-offers-passkey"
    page.get_by_role("button", name="Use a passkey instead").click()
    page.locator("#name").fill("Work laptop")
    yield "enroll-passkey"
    page.get_by_role("button", name="Create the passkey").click()
    page.get_by_role("status").wait_for()
    yield "enroll-passkey-done"
    user.enroll_by_api()
    user.open(page, user.link())
    page.get_by_role("button", name="Use a passkey instead").click()
    page.locator("#code").wait_for()
    yield "enroll-passkey-proof"
    user.open(page, user.link("challenge"))
    yield "challenge-passkey"


def signing_in(page: Page, setting: Setting) -> Iterator[str]:
    """The hosted sign-in: password, enrollment, a code, a mailed code, a new password, another account."""
    user = newcomer(setting, "robin")
    setting.api.put(f"/user_management/users/{user.user_id}", json={"password": USER_PASSWORD})
    setting.api.put("/authfactor/senders/mail", json={"kind": "console"})
    setting.api.put("/authfactor/mfa_policy", json={"policy": "required", "grace_days": 14})
    query = {
        "client_id": CLIENT_ID,
        "redirect_uri": f"{setting.app.url}/callback",
        "response_type": "code",
        "provider": "authkit",
    }
    base = setting.server.url.replace("127.0.0.1", "localhost")
    link = f"{base}/user_management/authorize?{urlencode(query)}"
    page.goto(link)
    yield "sign-in"
    page.locator("#email").fill(user.email)
    page.locator('button[formaction$="/email-code/send"]').click()
    page.locator("#code").wait_for()
    yield "sign-in-mailed-code"
    page.goto(link)
    page.get_by_role("link", name="Forgot your password?").click()
    yield "sign-in-forgotten"
    page.goto(link)
    setting.api.put("/authfactor/mfa_policy", json={"policy": "required"})
    setting.api.delete("/authfactor/senders/mail")
    page.locator("#email").fill(user.email)
    page.locator("#password").fill("wrong")
    page.locator("#password").press("Enter")
    page.get_by_role("alert").first.wait_for()
    yield "sign-in-wrong-password"
    page.locator("#password").fill(USER_PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url("**/enroll")
    yield "sign-in-enroll"
    page.get_by_role("button", name="Add an authenticator app").click()
    page.locator(".figure").wait_for()
    user.scan(page)
    user.type_code(page, user.code())
    page.wait_for_url("**/finish")
    yield "sign-in-finish"
    page.get_by_role("button", name="Go on to Acme").click()
    page.wait_for_url("**/callback*")
    page.goto(f"{link}&prompt=select_account")
    yield "sign-in-account"
    page.goto(f"{link}&prompt=login")
    page.locator("#email").fill(user.email)
    page.locator("#password").fill(USER_PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url("**/code")
    yield "sign-in-code"
    setting.api.put("/authfactor/mfa_policy", json={"policy": "if_enrolled"})


def managing(page: Page, setting: Setting) -> Iterator[str]:
    """The factors page: empty, full of life, the code it asks for, and its steps."""
    user = newcomer(setting, "sam")
    link = user.link("factors")
    page.goto(link["url"])
    yield "factors-start"
    page.get_by_role("button").click()
    page.wait_for_url("**/factors/*")
    yield "factors-empty"
    # Before there is a factor, so that no code is needed.
    sign_in_from_browsers(setting, user)
    user.enroll_by_api()
    name = {"name": "My phone"}
    setting.api.patch(f"/authfactor/factors/{user.factor_id}", json=name).raise_for_status()
    setting.api.post(f"/authfactor/users/{user.user_id}/recovery_codes").raise_for_status()
    user.open(page, user.link("factors"))
    yield "factors"
    page.get_by_role("button", name="Add another app").click()
    page.wait_for_url("**/confirm/*")
    yield "factors-confirm"
    user.type_code(page, user.code(1))
    page.wait_for_url("**/add/code")
    yield "factors-add"
    home = page.url.removesuffix("/add/code")
    page.goto(f"{home}/remove/{user.factor_id}")
    yield "factors-remove-last"
    page.goto(f"{home}/recovery-codes")
    yield "factors-new-codes"
    page.get_by_role("button").click()
    page.locator(".recovery-codes").wait_for()
    yield "factors-codes"
    page.goto(f"{home}/sessions")
    yield "factors-sessions"


def sign_in_from_browsers(setting: Setting, user: BrowserUser) -> None:
    """Sign a user in three times, from a phone, a computer and a program."""
    setting.api.put(
        f"/user_management/users/{user.user_id}", json={"password": USER_PASSWORD}
    ).raise_for_status()
    agents = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Safari/604.1",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
        "python-httpx/0.28.1",
    )
    for number, agent in enumerate(agents):
        body = {
            "grant_type": "password",
            "client_id": CLIENT_ID,
            "client_secret": API_KEY,
            "email": user.email,
            "password": USER_PASSWORD,
            "user_agent": agent,
            "ip_address": f"192.0.2.{number + 10}",
        }
        setting.api.post("/user_management/authenticate", json=body).raise_for_status()


def branded(page: Page, setting: Setting) -> Iterator[str]:
    """Enrollment under an environment's own name, color and logo."""
    picture = Image.new("RGBA", (240, 240))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((20, 20, 220, 220), fill="#0a7d5a")
    draw.ellipse((120, 50, 190, 190), fill="#ffffff")
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    logo = base64.b64encode(stream.getvalue()).decode()
    look = {"name": "Wild Garden", "color": "#0a7d5a", "logo": logo}
    setting.api.put("/authfactor/branding", json=look).raise_for_status()
    user = newcomer(setting, "robin")
    page.goto(user.link(totp_issuer="Wild Garden")["url"])
    yield "branded-start"
    page.get_by_role("button").click()
    page.wait_for_url("**/enroll/*")
    yield "branded-enroll"
    setting.api.put("/authfactor/branding", json=dict.fromkeys(look)).raise_for_status()


def reading(page: Page, setting: Setting) -> Iterator[str]:
    """The reference: index, a page with the response to a request, the guide."""
    page.goto(f"{setting.server.url}/docs")
    yield "docs-index"
    user = newcomer(setting, "lee")
    page.goto(f"{setting.server.url}/docs/get-user?lang=python")
    page.locator("#try-key").fill(API_KEY)
    page.locator("#try-user_id").fill(user.user_id)
    page.get_by_role("button", name="Send GET").click()
    page.locator("[data-response] pre").wait_for()
    page.evaluate("for (const one of [window, document.querySelector('.docs-samples')]) one.scrollTo(0, 0)")
    yield "docs-endpoint"
    page.goto(f"{setting.server.url}/docs/guide?lang=js")
    yield "docs-guide"


def arriving(page: Page, setting: Setting) -> Iterator[str]:
    """The server's URL in a browser, in English and German, and an address that does not exist."""
    page.goto(setting.server.url)
    yield "landing"
    page.goto(f"{setting.server.url}/?language=de")
    yield "landing-de"
    page.goto(f"{setting.server.url}/nowhere?language=en")
    yield "not-found"


SCENES: dict[str, Scene] = {
    "arriving": arriving,
    "enrolling": enrolling,
    "challenging": challenging,
    "managing": managing,
    "branded": branded,
    "reading": reading,
}


PASSKEY_SCENES: dict[str, Scene] = {"passkeys": with_passkeys, "sign-in": signing_in}


@contextmanager
def serving(host: str, app: Application) -> Iterator[Setting]:
    """Run a server whose pages are on a host name of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(
            Path(folder) / "data", {"AUTHFACTOR_TEAM_NAME": "Acme", "AUTHFACTOR_DOCS_TRY": "true"}
        )
        # Known only once it has a port.
        server._environment["AUTHFACTOR_BASE_URL"] = server.url.replace("127.0.0.1", host)  # noqa: SLF001
        server.start()
        try:
            server.run("environments", "update", "default", "--page-redirect", f"{app.url}/welcome")
            with server.client() as api:
                yield Setting(api, server, app)
        finally:
            server.stop()


def take(browser: Browser, setting: Setting, scene: Scene, into: Path) -> None:
    for width, height in SIZES.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB"
            )
            page = context.new_page()
            for name in scene(page, setting):
                path = into / f"{name}-{width}-{scheme}.png"
                page.evaluate("document.activeElement.blur()")
                page.screenshot(path=path, full_page=True, animations="disabled")
                # Few colors: a palette makes the file a third.
                with Image.open(path) as picture:
                    picture.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)
                print(path)
            context.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--only", default="", help="Scenes whose name holds this word.")
    chosen = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("chromium is not on PATH", file=sys.stderr)
        return 1
    chosen.into.mkdir(parents=True, exist_ok=True)
    with application() as app, sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        # Browsers have passkeys on a host name only; the other pages do not offer them then.
        for host, scenes in (("127.0.0.1", SCENES), ("localhost", PASSKEY_SCENES)):
            wanted = {name: scene for name, scene in scenes.items() if chosen.only in name}
            with serving(host, app) if wanted else nullcontext() as setting:
                for scene in wanted.values():
                    if setting is not None:
                        take(browser, setting, scene, chosen.into)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
