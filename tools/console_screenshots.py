"""Take screenshots of the console at two widths, light and dark, on a server with invented activity.

Usage: python tools/console_screenshots.py [--into FOLDER] [NAME ...]   (default: docs/screenshots)
"""

import argparse
import asyncio
import io
import math
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page, StorageState, ViewportSize, sync_playwright

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from authfactor.core import Authfactor  # noqa: E402
from authfactor.crypto import passwords  # noqa: E402 - after the path
from authfactor.models import Environment, UserRecord  # noqa: E402
from authfactor.otp import base32, totp  # noqa: E402 - after the path
from authfactor.rules.unit import Scope  # noqa: E402 - after the path
from authfactor.settings import Settings  # noqa: E402
from authfactor.wire.mfa_policies import SetMfaPolicy, SetPolicyMatch, SetPolicyRule  # noqa: E402
from authfactor.wire.requests import CreateUser, EnrollUserFactor  # noqa: E402
from authfactor.wire.webhooks import CreateWebhookEndpoint  # noqa: E402
from tests.support.authenticator import code_at, current_step  # noqa: E402
from tests.support.clock import HOUR, FakeClock  # noqa: E402
from tests.support.server_process import CLIENT_ID, Server, running  # noqa: E402

HOME: Final = f"/console/e/{CLIENT_ID}"
PASSWORD: Final = "seven green bottles"  # noqa: S105 - a throw-away credential
SIZES: Final = {390: 844, 1280: 800}
TALLEST: Final = 1800
COLORS: Final = 96
HOURS: Final = 30
NAMES: Final = (
    *("ada", "ben", "cleo", "dan", "eve", "finn", "gia", "hugo", "ida", "jan"),
    *("kim", "lea", "mia", "noa", "ole", "pia", "quin", "rex", "sam", "tess"),
)


class Shot(NamedTuple):
    """A page to take a screenshot of; `open` is the text of a summary to click first."""

    name: str
    path: str
    open: str = ""


async def live(folder: Path) -> str:
    """Fill an installation with invented activity; return the id of a locked user."""
    clock = FakeClock(int(time.time() * 1000) - HOURS * HOUR * 1000)
    dice = random.Random(7)  # noqa: S311 - invented activity
    settings = Settings(
        data=folder,
        team_name="Acme",
        bootstrap_client_id=CLIENT_ID,
        webhook_private_addresses=True,
    )
    af = await Authfactor.open(settings, clock=clock, profile=passwords.CHEAPEST)
    try:
        one = (await af.read(lambda tx: tx.environments.all()))[0]
        await af.run(af.environments.create("staging", team_name="Acme Staging"))
        await af.run(af.environments.new_key(one, "shop"))
        await af.run(af.environments.new_key(one, "import of March"))
        await af.run(
            af.webhooks.create(
                one,
                CreateWebhookEndpoint(
                    endpoint_url="http://127.0.0.1:9/hooks/authfactor",
                    events=["user.created", "session.created", "authfactor.user_locked"],
                ),
            )
        )
        admins = SetPolicyRule(match=SetPolicyMatch(metadata={"role": "admin"}), policy="required")
        document = SetMfaPolicy(policy="required", grace_days=14, rules=[admins])
        one = await af.run(af.mfa_policies.set(one, document))
        users = [await _user(af, one, f"{name}@example.com") for name in NAMES[:6]]
        for hour in range(HOURS):
            clock.advance(HOUR)
            busy = 1 + math.sin((hour - 8) / 24 * 2 * math.pi)
            if hour < len(NAMES) - 6:
                users.append(await _user(af, one, f"{NAMES[hour + 6]}@example.com"))
            for _ in range(round(busy * 6 + dice.random() * 3)):
                await _sign_in(af, one, dice.choice(users))
        return await _trouble(af, one, clock, users[-1])
    finally:
        await af.close()


async def _user(af: Authfactor, one: Environment, email: str) -> UserRecord:
    request = CreateUser(email=email, first_name=email.partition("@")[0].title(), metadata={"plan": "team"})
    user = await af.run(await af.users.prepare_create(one, request))
    enrolled = await af.run(af.factors.enroll(one, user.id, EnrollUserFactor(type="totp")))
    secret = base32.decode(enrolled.secret, min_bytes=10)
    challenge = enrolled.challenge
    if challenge is not None and not email.startswith(("eve", "rex", "noa")):
        code = totp.code_at(secret, totp.step_at(af.clock() // 1000))
        await af.run(af.challenges.verify(one, challenge.id, code))
    return user


async def _sign_in(af: Authfactor, one: Environment, user: UserRecord) -> None:
    prepared = await af.sessions.prepare(
        af.store,
        one,
        user.id,
        amr="pwd otp",
        now=af.clock(),
        ip_address="203.0.113.7",
        user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
    )
    await af.run(lambda tx: af.sessions.start(Scope(tx, one, af.clock()), user, prepared))


async def _trouble(af: Authfactor, one: Environment, clock: FakeClock, user: UserRecord) -> str:
    """Send wrong codes until the user is locked."""
    [factor] = await af.read(lambda tx: tx.factors.of_user(one.number, user.id))
    clock.now = int(time.time() * 1000) - 60_000
    for _ in range(10):
        challenge = await af.run(af.challenges.create(one, factor.id))
        await af.run(af.challenges.verify(one, challenge.id, "000000"))
    return user.id


def shots(user_id: str, link: str) -> list[Shot]:
    """Return the console's screenshots."""
    return [
        Shot("console-overview", HOME),
        Shot("console-users", f"{HOME}/users"),
        Shot("console-user", f"{HOME}/users/{user_id}", "Reset factors"),
        Shot("console-events", f"{HOME}/events"),
        Shot("console-keys", f"{HOME}/keys"),
        Shot("console-webhooks", f"{HOME}/webhooks"),
        Shot("console-deliveries", f"{HOME}/deliveries"),
        Shot("console-policy", f"{HOME}/settings"),
        Shot("console-rules", f"{HOME}/mfa-policy"),
        Shot("console-environments", "/console/environments"),
        Shot("console-operators", "/console/operators"),
        Shot("console-audit", "/console/audit"),
        Shot("console-account", "/console/account"),
        Shot("console-set-up", link),
    ]


def sign_in(browser: Browser, server: Server) -> StorageState:
    """Set the first owner up."""
    link = (server.data / "console-set-up-link").read_text().strip()
    page = browser.new_page(base_url=server.url)
    page.goto(link)
    page.get_by_label("Email").fill("kim@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Repeat password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    secret = (page.locator("#secret").text_content() or "").replace(" ", "")
    page.get_by_label("Code").fill(code_at(secret, current_step()))
    page.get_by_role("button", name="Finish").click()
    page.wait_for_url("**/console/e/**")
    page.goto("/console/operators")
    for email, role in (("lee@example.org", "support"), ("ash@example.org", "viewer")):
        page.get_by_label("Email").fill(email)
        page.locator("#role").select_option(role)
        page.get_by_role("button", name="Create a set-up link").click()
    page.goto(f"{HOME}/keys")
    row = page.get_by_role("row", name="import of March")
    row.locator("summary").click()
    row.get_by_label("Reason").fill("the import is done")
    row.get_by_role("button", name="Revoke").click()
    state = page.context.storage_state()
    page.context.close()
    return state


def take(page: Page, shot: Shot, width: int, scheme: str, folder: Path) -> None:
    """Take one screenshot and reduce its colors to keep the file small."""
    page.goto(shot.path)
    if shot.open:
        page.locator("summary", has_text=shot.open).first.click()
    height = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST)
    page.set_viewport_size(ViewportSize(width=width, height=max(height, SIZES[width])))
    picture = Image.open(io.BytesIO(page.screenshot()))
    small = picture.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    path = folder / f"{shot.name}-{width}-{scheme}.png"
    small.save(path, optimize=True)
    print(f"{path.name}  {path.stat().st_size // 1024} KB")
    page.set_viewport_size(ViewportSize(width=width, height=SIZES[width]))


@contextmanager
def served() -> Iterator[tuple[Server, str]]:
    """Serve an installation with invented activity."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        user_id = asyncio.run(live(data))
        chosen = {"AUTHFACTOR_TEAM_NAME": "Acme", "AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true"}
        with running(data, chosen) as server:
            yield server, user_id


def main() -> None:
    """Take the screenshots."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    asked.into.mkdir(parents=True, exist_ok=True)
    with served() as (server, user_id), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        state = sign_in(browser, server)
        invitation = server.run("operators", "invite", "new@example.org", "--role", "support")
        link = re.findall(r"/console/set-up/\S+", invitation.stdout)[0]
        for width, height in SIZES.items():
            for scheme in ("light", "dark"):
                context = browser.new_context(
                    base_url=server.url,
                    viewport=ViewportSize(width=width, height=height),
                    color_scheme="dark" if scheme == "dark" else "light",
                    storage_state=state,
                )
                page = context.new_page()
                for shot in shots(user_id, link):
                    if not asked.names or shot.name in asked.names:
                        take(page, shot, width, scheme, asked.into)
                context.clear_cookies()
                if not asked.names or "console-sign-in" in asked.names:
                    take(page, Shot("console-sign-in", "/console/sign-in"), width, scheme, asked.into)
                context.close()
        browser.close()


if __name__ == "__main__":
    main()
