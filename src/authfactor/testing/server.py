"""A real server for tests: HTTP on a free port, a database of its own, on a thread of the test process.

In the same process, because only there a test can move its clock. Everything else is the product: the same
application under the same HTTP server, with argon2id at its cheapest cost so that tests do not wait for it.
"""

import asyncio
import contextlib
import socket
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from authfactor import errors, ids
from authfactor.client import Client
from authfactor.client.blocking_portal import LoopThread
from authfactor.core import Authfactor
from authfactor.crypto.passwords import CHEAPEST
from authfactor.http.app import App
from authfactor.models import Environment, MfaPolicy
from authfactor.otp import base32, totp
from authfactor.rules.factors.challenges import secret_row
from authfactor.server import run as http_serving
from authfactor.server.listening_sockets import listen
from authfactor.settings import Settings
from authfactor.store import Tx
from authfactor.testing.clock import Clock

API_KEY: Final = "sk_test_authfactor"
CLIENT_ID: Final = "client_test_authfactor"
WRONG_CODE_DISTANCE: Final = 40
"""Steps within which a wrong code must not be a right one."""
RUNNING: "Final[weakref.WeakSet[AuthfactorServer]]" = weakref.WeakSet()
"""The servers of this process, for the plugin to put their clocks back."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an application is configured with."""

    base_url: str
    api_key: str
    client_id: str

    @property
    def variables(self) -> dict[str, str]:
        """The same as the environment variables that official SDKs read."""
        return {
            "WORKOS_BASE_URL": self.base_url,
            "WORKOS_API_KEY": self.api_key,
            "WORKOS_CLIENT_ID": self.client_id,
        }


class AuthfactorServer:
    """A running server. Make one with `serving`, or ask for the fixture `authfactor_server`."""

    def __init__(self, loop: LoopThread, af: Authfactor, credentials: Credentials, clock: Clock) -> None:
        """Show what runs."""
        self._loop = loop
        self._af = af
        self._made = 0
        self.clock = clock
        """The server's clock: `advance`, `move_to`, `freeze`, `reset`."""
        self.credentials = credentials

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return self.credentials.base_url

    @property
    def api_key(self) -> str:
        """The API key of its first environment."""
        return self.credentials.api_key

    @property
    def client_id(self) -> str:
        """The client id of its first environment."""
        return self.credentials.client_id

    def client(self, credentials: Credentials | None = None) -> Client:
        """Make a client of the first environment, or of another one; close it."""
        chosen = credentials or self.credentials
        return Client(base_url=chosen.base_url, api_key=chosen.api_key, client_id=chosen.client_id)

    def new_environment(self, *, mfa_policy: MfaPolicy = "if_enrolled") -> Credentials:
        """Make an environment with its own users, factors and key: a test that wants to be alone takes one.

        `mfa_policy` is `off`, `if_enrolled` or `required`.
        """
        self._made += 1
        name = f"test {self._made}"

        async def make() -> Credentials:
            unit = self._af.environments.create(
                name, team_name=self._af.settings.team_name, mfa_policy=mfa_policy
            )
            environment = await self._af.run(unit)
            _, key = await self._af.run(self._af.environments.new_key(environment, name))
            return Credentials(self.base_url, key, environment.client_id)

        return self._loop.run(make())

    def code_for(self, factor: object, *, ahead: int = 0) -> str:
        """Return the code that an authenticator app would show now, by this server's clock.

        Args:
            factor: The answer that enrolled it (of any client, or as JSON), its secret, or its id.
            ahead: So many steps of 30 s later. A code is good once: for a second one within the same step,
                `clock.advance(30)`, or take the next (`ahead=1`), which is accepted already.
        """
        return totp.code_at(self._secret_of(factor), self._step() + ahead)

    def wrong_code_for(self, factor: object) -> str:
        """Return six digits that are not the code, nor one of some minutes around now."""
        secret, now = self._secret_of(factor), self._step()
        near = {
            totp.code_at(secret, step)
            for step in range(max(now - WRONG_CODE_DISTANCE, 0), now + WRONG_CODE_DISTANCE + 1)
        }
        return next(
            code for code in map("{:06d}".format, range(2 * WRONG_CODE_DISTANCE + 2)) if code not in near
        )

    def _step(self) -> int:
        return totp.step_at(self.clock() // 1000)

    def _secret_of(self, factor: object) -> bytes:
        found = factor if isinstance(factor, str) else _dig(factor)
        if found is None:
            raise TypeError(
                "code_for needs what enrolling answered, the secret, or the factor's id: only these lead to"
                f" the secret. This is {type(factor).__name__}."
            )
        if found.startswith(ids.FACTOR):
            return self._loop.run(self._stored_secret(found))
        return base32.decode(found, min_bytes=1)

    async def _stored_secret(self, factor_id: str) -> bytes:
        async def find(tx: Tx) -> tuple[Environment, str] | None:
            for environment in await tx.environments.all():
                factor = await tx.factors.by_id(environment.number, factor_id)
                if factor is not None:
                    return environment, factor.secret
            return None

        found = await self._af.read(find)
        if found is None:
            raise errors.NotFound("Authentication Factor", factor_id)
        environment, sealed = found
        return self._af.vault.unseal(sealed, secret_row(environment.number, factor_id))


def _dig(thing: object) -> str | None:
    """Find the secret, or else the id, in an answer: of any client, or as JSON."""
    for name in ("authentication_factor", "authenticationFactor", "factor"):
        inner = _part(thing, name)
        if inner is not None:
            return _dig(inner)
    secret = _part(_part(thing, "totp"), "secret")
    found = secret if secret is not None else _part(thing, "id")
    return found if isinstance(found, str) else None


def _part(thing: object, name: str) -> Any:  # noqa: ANN401 - whatever is there
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)


@contextlib.contextmanager
def serving(**settings: Any) -> Iterator[AuthfactorServer]:  # noqa: ANN401 - fields of Settings
    """Serve until the end of the block, on a free port of 127.0.0.1, with a database in a new folder.

    `settings` are fields of `Settings` (`challenge_life=60`, …). `AUTHFACTOR_…` variables are not read.
    Raises `settings.BadSetting`, and what opening a database raises.
    """
    with tempfile.TemporaryDirectory(prefix="authfactor-test-") as folder:
        listening = listen("127.0.0.1", 0)
        credentials = Credentials(f"http://127.0.0.1:{listening.getsockname()[1]}", API_KEY, CLIENT_ID)
        clock = Clock()
        loop = LoopThread()
        try:
            chosen = Settings(**{**_defaults(Path(folder), credentials), **settings})
            life = _Life(chosen, listening, clock)
            server = AuthfactorServer(loop, loop.run(life.start()), credentials, clock)
            RUNNING.add(server)
            try:
                yield server
            finally:
                RUNNING.discard(server)
                loop.run(life.stop())
        finally:
            loop.stop()
            listening.close()


class _Life:
    """From opening to closing, on the loop's thread."""

    def __init__(self, settings: Settings, listening: socket.socket, clock: Clock) -> None:
        self._settings = settings
        self._listening = listening
        self._clock = clock
        self._server = http_serving.prepared(App(self._open))
        self._serving: asyncio.Task[None] | None = None
        self._af: Authfactor | None = None
        self._failure: BaseException | None = None

    async def start(self) -> Authfactor:
        """Return once requests are answered. Raises what opening raised."""
        self._serving = asyncio.create_task(self._serve())
        while not (self._server.started or self._serving.done()):  # noqa: ASYNC110 - uvicorn tells by a flag
            await asyncio.sleep(0.002)
        if self._af is None or self._failure is not None:
            raise self._failure or RuntimeError("the server ended at its start")
        return self._af

    async def stop(self) -> None:
        """Finish what is under way, close the database."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving

    async def _serve(self) -> None:
        # uvicorn ends the program when its application cannot start; here it is told by `_failure`.
        with contextlib.suppress(SystemExit):
            await self._server.serve(sockets=[self._listening])

    async def _open(self) -> Authfactor:
        try:
            self._af = await Authfactor.open(self._settings, clock=self._clock, profile=CHEAPEST)
        except BaseException as error:
            self._failure = error
            raise
        return self._af


def _defaults(folder: Path, credentials: Credentials) -> dict[str, Any]:
    return {
        "data": folder,
        "base_url": credentials.base_url,
        "bootstrap_api_key": credentials.api_key,
        "bootstrap_client_id": credentials.client_id,
        "team_name": "Test",
        "log_requests": False,
        # Receivers of tests are on loopback.
        "webhook_private_addresses": True,
    }
