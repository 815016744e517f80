"""The console in this process: the real application, a fake clock, a browser for each operator."""

import asyncio
import random
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from authfactor.core import Authfactor
from authfactor.crypto import passwords
from authfactor.http.app import App
from authfactor.models import Enrollment, Environment, Role, UserRecord
from authfactor.settings import Settings
from authfactor.wire.requests import CreateUser, EnrollUserFactor
from tests.support.authenticator import PERIOD, code_at
from tests.support.clock import FakeClock

PASSWORD: Final = "seven green bottles"
BASE: Final = "http://127.0.0.1:8080"
CLIENT: Final = "client_one"
OTHER_CLIENT: Final = "client_two"
HOME: Final = f"/console/e/{CLIENT}"
FROM_OUR_PAGE: Final = {"sec-fetch-site": "same-origin"}


@dataclass
class Browser:
    """A browser with cookies; its forms come from the console's own pages unless `headers` say otherwise."""

    client: httpx.AsyncClient
    email: str = ""
    secret: str = ""

    async def get(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - any option of httpx
        return await self.client.get(path, **options)

    async def post(
        self, path: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        return await self.client.post(
            path, data=form or {}, headers=FROM_OUR_PAGE if headers is None else headers
        )

    def token(self) -> str | None:
        return self.client.cookies.get("operator")


@dataclass
class Console:
    """One installation with two environments, and its operators."""

    af: Authfactor
    app: App
    clock: FakeClock
    one: Environment
    two: Environment
    opened: list[httpx.AsyncClient] = field(default_factory=list)

    def stranger(self, **headers: str) -> Browser:
        """Open a browser without cookies."""
        transport = httpx.ASGITransport(self.app)
        client = httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers)
        self.opened.append(client)
        return Browser(client)

    def code(self, secret: str) -> str:
        return code_at(secret, self.clock.step)

    async def set_up(self, link_token: str, email: str) -> Browser:
        """Follow a set-up link and complete it."""
        browser = self.stranger()
        path = f"/console/set-up/{link_token}"
        assert (await browser.get(path)).status_code == 200
        form = {"email": email, "password": PASSWORD, "again": PASSWORD}
        page = await browser.post(path, form)
        assert page.status_code == 200, page.text
        browser.email, browser.secret = email, secret_on(page)
        done = await browser.post(f"{path}/code", {"code": self.code(browser.secret)})
        assert (done.status_code, done.headers["location"]) == (303, "/console")
        self.clock.advance(PERIOD)
        return browser

    async def operator(self, role: Role, email: str = "") -> Browser:
        """Set up an operator and sign them in."""
        email = email or f"{role}@example.org"
        _, token = await self.af.run(self.af.operators.invite(email, role))
        return await self.set_up(token, email)

    async def sign_in(self, browser: Browser, **changes: str) -> httpx.Response:
        form = {"email": browser.email, "password": PASSWORD, "code": self.code(browser.secret), **changes}
        answer = await browser.post("/console/sign-in", form)
        self.clock.advance(PERIOD)
        return answer

    async def user(self, email: str = "pat@example.com", **fields: Any) -> UserRecord:  # noqa: ANN401 - any field
        return await self.af.run(
            await self.af.users.prepare_create(self.one, CreateUser(email=email, **fields))
        )

    async def enroll(self, user: UserRecord, **fields: Any) -> Enrollment:  # noqa: ANN401 - any field
        request = EnrollUserFactor(type="totp", **fields)
        return await self.af.run(self.af.factors.enroll(self.one, user.id, request))

    async def lock(self, enrolled: Enrollment) -> None:
        """Send wrong codes until the user is locked."""
        for _ in range(10):
            challenge = await self.af.run(self.af.challenges.create(self.one, enrolled.factor.id))
            wrong = f"{int(self.code(enrolled.secret)[0]) ^ 1}{'0' * 5}"
            await self.af.run(self.af.challenges.verify(self.one, challenge.id, wrong))


def secret_on(page: httpx.Response) -> str:
    """Return the secret that a page shows in groups of four."""
    found = re.search(r'id="secret">([A-Z2-7 ]+)<', page.text)
    assert found, page.text
    return found[1].replace(" ", "")


def version_on(page: httpx.Response, action: str) -> str:
    """Read the hidden version of the form with this action."""
    found = re.search(
        rf'action="{re.escape(action)}".*?name="updated_at" value="(\d+)"', page.text, re.DOTALL
    )
    assert found, page.text
    return found[1]


@asynccontextmanager
async def opened(template: Path, folder: Path, **settings: Any) -> AsyncIterator[Console]:  # noqa: ANN401 - any setting
    """Start the application on a copy of the template with the given settings."""
    data = folder / "data"
    data.mkdir()
    shutil.copy(template, data / "authfactor.db")
    clock, entropy = FakeClock(), random.Random(20_240_229)
    made: list[Authfactor] = []

    async def opener() -> Authfactor:
        af = await Authfactor.open(
            # Webhooks may go to this machine, where nothing listens: connections are refused at once.
            Settings(
                data=data,
                team_name="Acme",
                bootstrap_client_id=CLIENT,
                webhook_private_addresses=True,
                **{"refusal_time": 0, **settings},
            ),
            clock=clock,
            entropy=entropy.randbytes,
            profile=passwords.CHEAPEST,
        )
        made.append(af)
        return af

    app = App(opener)
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, told.get, said.put))
    await told.put({"type": "lifespan.startup"})
    assert (await said.get()) == {"type": "lifespan.startup.complete"}
    af = made[0]
    one = await af.read(af.environments.by_client_id(CLIENT))
    two = await af.run(af.environments.create("two", team_name="Two", client_id=OTHER_CLIENT))
    console = Console(af, app, clock, one, two)
    try:
        yield console
    finally:
        for client in console.opened:
            await client.aclose()
        await told.put({"type": "lifespan.shutdown"})
        await life
