"""An application that signs its users in, against the real server with a fake clock.

Requests go to the ASGI application in this process: everything but the socket and the password hashing cost
is as in production.
"""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import jwt

from authfactor.core import Authfactor
from authfactor.crypto import passwords
from authfactor.http.app import App
from authfactor.models import Environment, EnvironmentOptions, MfaPolicy
from authfactor.settings import Settings
from tests.support import databases
from tests.support.authenticator import PERIOD, code_at
from tests.support.clock import DAY, FakeClock
from tests.support.server_process import fields

KEY, CLIENT = "sk_test_one", "client_one"
OTHER_KEY, OTHER_CLIENT = "sk_test_two", "client_two"
PASSWORD: Final = "seven green bottles"
SECRET: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
MFA_TOTP: Final = "urn:workos:oauth:grant-type:mfa-totp"
AUTHENTICATE: Final = "/user_management/authenticate"
Json = dict[str, Any]


@dataclass(frozen=True)
class Pending:
    """A sign-in that awaits its code: the body of the 403."""

    body: Json
    secret: str

    @property
    def token(self) -> str:
        return str(self.body["pending_authentication_token"])

    @property
    def challenge(self) -> str:
        return str(self.body["authentication_challenge"]["id"])


class Application:
    """An application with its own environment, and another environment next to it."""

    def __init__(
        self, af: Authfactor, clock: FakeClock, api: httpx.AsyncClient, other: httpx.AsyncClient
    ) -> None:
        self.af = af
        self.clock = clock
        self.api = api
        self.other = other
        self._users = 0

    async def environment(self, client_id: str = CLIENT) -> Environment:
        return await self.af.read(self.af.environments.by_client_id(client_id))

    async def configure(self, policy: MfaPolicy | None = None, *redirects: str) -> None:
        """Set the environment's MFA policy and its logout redirects."""
        options = EnvironmentOptions(redirects) if redirects else None
        unit = self.af.environments.update(await self.environment(), mfa_policy=policy, options=options)
        await self.af.run(unit)
        # Callers are cached for most of a second.
        self.clock.advance(1)

    async def user(self, client: httpx.AsyncClient | None = None, **more: Any) -> Json:  # noqa: ANN401 - any field
        self._users += 1
        body = {"email": f"kim{self._users}@example.org", "password": PASSWORD, **more}
        if "password_hash" in more:
            del body["password"]
        return fields(await (client or self.api).post("/user_management/users", json=body), 201)

    async def enroll(self, user: Json, **more: str) -> Json:
        """Enroll a factor, pending unless `totp_secret` is given; return the response's body."""
        path = f"/user_management/users/{user['id']}/auth_factors"
        return fields(await self.api.post(path, json={"type": "totp", **more}), 201)

    async def member(self, **more: Any) -> Json:  # noqa: ANN401 - any field
        """Create a user with an active factor whose secret is `SECRET`."""
        user = await self.user(**more)
        await self.enroll(user, totp_secret=SECRET)
        return user

    async def grant(
        self, grant_type: str, *, headers: dict[str, str] | None = None, **body: object
    ) -> httpx.Response:
        """Send a grant with valid client credentials; None leaves a field out."""
        defaults = {"grant_type": grant_type, "client_id": CLIENT, "client_secret": KEY}
        given = {name: value for name, value in {**defaults, **body}.items() if value is not None}
        return await self.api.post(AUTHENTICATE, json=given, headers=headers)

    async def password(self, user: Json, password: str = PASSWORD, **more: Any) -> httpx.Response:  # noqa: ANN401 - any field
        return await self.grant("password", email=user["email"], password=password, **more)

    async def begin(self, user: Json, secret: str = SECRET) -> Pending:
        """Send the right password of a user with a factor."""
        return Pending(fields(await self.password(user), 403), secret)

    def code(self, secret: str = SECRET, ahead: int = 0) -> str:
        """Return the authenticator's code, `ahead` steps from now."""
        return code_at(secret, self.clock.step + ahead)

    def wrong(self, secret: str = SECRET) -> str:
        """Return a code that no step near the current one has."""
        near = {self.code(secret, step) for step in range(-40, 41)}
        return next(code for code in map("{:06d}".format, range(1000)) if code not in near)

    async def answer(self, pending: Pending, code: str | None = None, **more: Any) -> httpx.Response:  # noqa: ANN401 - any field
        """Send the second step, by default with the right code."""
        body = {
            "code": self.code(pending.secret) if code is None else code,
            "pending_authentication_token": pending.token,
            "authentication_challenge_id": pending.challenge,
            **more,
        }
        return await self.grant(MFA_TOTP, **body)

    async def sign_in(self, user: Json, **more: Any) -> Json:  # noqa: ANN401 - any field
        """Sign in a user without a factor."""
        return fields(await self.password(user, **more), 200)

    async def sign_in_twice_proven(self, user: Json) -> Json:
        """Sign in with password and code, then advance the clock to a new code."""
        tokens = fields(await self.answer(await self.begin(user)), 200)
        self.clock.advance(PERIOD)
        return tokens

    async def refresh(self, token: object, **more: Any) -> httpx.Response:  # noqa: ANN401 - any field
        return await self.grant("refresh_token", refresh_token=token, **more)

    async def sessions(self, user: Json) -> list[Json]:
        """List the user's active sessions, newest first."""
        path = f"/user_management/users/{user['id']}/sessions"
        return list(fields(await self.api.get(path, params={"limit": 100}), 200)["data"])

    async def events(self, *names: str) -> list[Json]:
        """List the events with these names, oldest first."""
        query = {"events": ",".join(names), "limit": "100"}
        return list(fields(await self.api.get("/events", params=query), 200)["data"])

    async def key_set(self) -> list[Json]:
        return list(fields(await self.api.get(f"/sso/jwks/{CLIENT}"), 200)["keys"])

    async def count_sessions(self) -> int:
        """Count all session rows, ended sessions included."""
        rows = await self.af.read(lambda tx: tx.db.all("SELECT count(*) FROM sessions"))
        return int(rows[0][0])

    def sql(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """Run a statement on the database, as an attacker with the file could."""
        return databases.sql(self.af.settings, statement, *parameters)

    def files(self) -> bytes:
        """Return everything stored, with the write-ahead log, without the key ring."""
        return databases.stored(self.af.settings)


def claims(tokens: Json) -> Json:
    """Read the claims of an access token without verifying it."""
    return dict(jwt.decode(tokens["access_token"], options={"verify_signature": False}))


def refused(answer: httpx.Response, code: str, status: int = 400) -> Json:
    """Check a refusal with `code` and `message` and without `error`, which the Node SDK takes for OAuth."""
    body = fields(answer, status)
    assert body["code"] == code
    assert isinstance(body["message"], str)
    assert body["message"]
    assert "error" not in body
    return body


def oauth_refused(answer: httpx.Response, error: str) -> str:
    """Check an error response of RFC 6749 section 5.2 and return its description."""
    body = fields(answer, 400)
    assert set(body) == {"error", "error_description"}
    assert body["error"] == error
    assert isinstance(body["error_description"], str)
    return body["error_description"]


async def make_template(folder: Path, database_url: str = "") -> None:
    """Create a data folder with two environments, each with an API key and a signing key."""
    clock = FakeClock()
    clock.advance(-DAY)
    settings = Settings(
        data=folder,
        database_url=database_url,
        team_name="Acme",
        bootstrap_client_id=CLIENT,
        bootstrap_api_key=KEY,
    )
    af = await Authfactor.open(settings, clock=clock, profile=passwords.CHEAPEST)
    try:
        one = await af.read(af.environments.by_client_id(CLIENT))
        two = await af.run(af.environments.create("two", team_name="Two", client_id=OTHER_CLIENT))
        await af.run(af.environments.new_key(two, "second", key=OTHER_KEY))
        for environment in (one, two):
            await af.token_signing.list_public_keys(af.store, environment)
    finally:
        await af.close()


def client(app: App, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://authfactor.example",
        headers={"authorization": f"Bearer {key}"},
    )


@asynccontextmanager
async def opened(template: Path, folder: Path, **settings: Any) -> AsyncIterator[Application]:  # noqa: ANN401 - any setting
    """Start the application on a copy of the template with the given settings."""
    data = folder / "data"
    shutil.copytree(template, data)
    clock, entropy = FakeClock(), random.Random(20_240_229)
    opened_instances: list[Authfactor] = []

    async def opener() -> Authfactor:
        af = await Authfactor.open(
            # No time limit on connections: a busy machine must not fail these tests.
            Settings(data=data, **{"pool_wait": 20_000, "refusal_time": 0, **settings}),
            clock=clock,
            entropy=entropy.randbytes,
            profile=passwords.CHEAPEST,
        )
        opened_instances.append(af)
        return af

    app = App(opener)
    to_app: asyncio.Queue[Json] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    assert (await from_app.get()) == {"type": "lifespan.startup.complete"}
    try:
        async with client(app, KEY) as api, client(app, OTHER_KEY) as other:
            yield Application(opened_instances[0], clock, api, other)
    finally:
        await to_app.put({"type": "lifespan.shutdown"})
        await life
