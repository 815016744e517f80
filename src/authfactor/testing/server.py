"""A real server for tests: HTTP on a free port, its own database, on a thread of the test process.

It runs in the test process so that tests can move its clock. Application and HTTP server are those of the
product; argon2id has its lowest cost, to keep tests fast.
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
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.server import run as http_server
from authfactor.server.listening_sockets import listen
from authfactor.settings import Settings
from authfactor.store import Tx
from authfactor.testing.clock import Clock

API_KEY: Final = "sk_test_authfactor"
CLIENT_ID: Final = "client_test_authfactor"
WRONG_CODE_DISTANCE: Final = 40
"""Time steps before and after now for which a wrong code must not be valid."""
RUNNING: "Final[weakref.WeakSet[AuthfactorServer]]" = weakref.WeakSet()
"""The running servers of this process. The pytest plugin resets their clocks."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The values with which an application is configured."""

    base_url: str
    api_key: str
    client_id: str

    @property
    def variables(self) -> dict[str, str]:
        """The same values as the environment variables that the official SDKs read."""
        return {
            "WORKOS_BASE_URL": self.base_url,
            "WORKOS_API_KEY": self.api_key,
            "WORKOS_CLIENT_ID": self.client_id,
        }


class AuthfactorServer:
    """A running server. Get one from `serving` or from the fixture `authfactor_server`."""

    def __init__(self, loop: LoopThread, af: Authfactor, credentials: Credentials, clock: Clock) -> None:
        """Called by `serving`."""
        self._loop = loop
        self._af = af
        self._environment_count = 0
        self.clock = clock
        """The server's clock: `advance`, `move_to`, `freeze`, `reset`."""
        self.credentials = credentials

    @property
    def base_url(self) -> str:
        """URL of the server, `http://127.0.0.1:…`."""
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
        """Return a client of the first environment, or of the one with `credentials`. Close it after use."""
        credentials = credentials or self.credentials
        return Client(
            base_url=credentials.base_url, api_key=credentials.api_key, client_id=credentials.client_id
        )

    def new_environment(self, *, mfa_policy: MfaPolicy = "if_enrolled") -> Credentials:
        """Create an environment with its own users, factors and API key, to isolate a test.

        Args:
            mfa_policy: When a sign-in requires a code: `off`, `if_enrolled` or `required`.
        """
        self._environment_count += 1
        name = f"test {self._environment_count}"

        async def create() -> Credentials:
            unit = self._af.environments.create(
                name, team_name=self._af.settings.team_name, mfa_policy=mfa_policy
            )
            environment = await self._af.run(unit)
            _, key = await self._af.run(self._af.environments.new_key(environment, name))
            return Credentials(self.base_url, key, environment.client_id)

        return self._loop.run(create())

    def code_for(self, factor: object, *, ahead: int = 0) -> str:
        """Return the code that an authenticator app would show now, by this server's clock.

        A code is valid once. For a second code within the same 30 seconds, call `clock.advance(30)` first, or
        use the next code (`ahead=1`), which the server already accepts.

        Args:
            factor: The response to the enrollment (of any SDK, or as JSON), the base32 secret, or the id.
            ahead: Number of 30-second time steps after now.

        Raises `TypeError` if `factor` is none of these, and `errors.NotFound` for an unknown id.
        """
        return totp.code_at(self._secret_of(factor), self._step() + ahead)

    def wrong_code_for(self, factor: object) -> str:
        """Return six digits that are not the factor's code within 20 minutes of now.

        `factor` is as for `code_for`.
        """
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
        secret_or_id = factor if isinstance(factor, str) else _find_secret_or_id(factor)
        if secret_or_id is None:
            raise TypeError(
                "factor must be the response to an enrollment, a secret, or the id of a factor,"
                f" not {type(factor).__name__}"
            )
        if secret_or_id.startswith(ids.FACTOR):
            return self._loop.run(self._stored_secret(secret_or_id))
        return base32.decode(secret_or_id, min_bytes=1)

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


def _find_secret_or_id(response: object) -> str | None:
    """Return the secret, or else the id, from a response of any SDK or as JSON; None if it has neither."""
    for name in ("authentication_factor", "authenticationFactor", "factor"):
        factor = _field(response, name)
        if factor is not None:
            return _find_secret_or_id(factor)
    secret = _field(_field(response, "totp"), "secret")
    found = secret if secret is not None else _field(response, "id")
    return found if isinstance(found, str) else None


def _field(value: object, name: str) -> Any:  # noqa: ANN401 - any JSON value or object
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


@contextlib.contextmanager
def serving(**settings: Any) -> Iterator[AuthfactorServer]:  # noqa: ANN401 - fields of Settings
    """Run a server until the end of the block, on a free port of 127.0.0.1, with a new database.

    Args:
        settings: Fields of `Settings`, such as `challenge_life=60`. `AUTHFACTOR_…` variables are not read.

    Raises `settings.InvalidSetting`, and the errors of opening a database.
    """
    with tempfile.TemporaryDirectory(prefix="authfactor-test-") as folder:
        listening = listen("127.0.0.1", 0)
        credentials = Credentials(f"http://127.0.0.1:{listening.getsockname()[1]}", API_KEY, CLIENT_ID)
        clock = Clock()
        loop = LoopThread()
        try:
            server_settings = Settings(**{**_defaults(Path(folder), credentials), **settings})
            server_task = _ServerTask(server_settings, listening, clock)
            server = AuthfactorServer(loop, loop.run(server_task.start()), credentials, clock)
            RUNNING.add(server)
            try:
                yield server
            finally:
                RUNNING.discard(server)
                loop.run(server_task.stop())
        finally:
            loop.stop()
            listening.close()


class _ServerTask:
    """Starts and stops the HTTP server, on the loop's thread."""

    def __init__(self, settings: Settings, listening: socket.socket, clock: Clock) -> None:
        self._settings = settings
        self._listening = listening
        self._clock = clock
        self._server = http_server.embedded_server(App(self._open))
        self._serving: asyncio.Task[None] | None = None
        self._af: Authfactor | None = None
        self._failure: BaseException | None = None

    async def start(self) -> Authfactor:
        """Return when the server accepts requests. Raises the error of opening the installation."""
        self._serving = asyncio.create_task(self._serve())
        while not (self._server.started or self._serving.done()):  # noqa: ASYNC110 - uvicorn has only a flag
            await asyncio.sleep(0.002)
        if self._af is None or self._failure is not None:
            raise self._failure or RuntimeError("the server ended during its start")
        return self._af

    async def stop(self) -> None:
        """Wait for requests in progress and close the database."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving

    async def _serve(self) -> None:
        # uvicorn exits the process if the application fails to start; `start` raises `_failure` instead.
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
        # Tests that send wrong passwords should not wait.
        "refusal_time": 0,
        # The webhook receivers of tests listen on the loopback interface.
        "webhook_private_addresses": True,
    }
