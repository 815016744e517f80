"""For each kind of database, a running server with two workers and the application that uses it."""

import base64
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest

from tests.support import authenticator
from tests.support.server_process import API_KEY, CLIENT_ID, Server, command_line, fields

AUTHENTICATE: Final = "/user_management/authenticate"
MFA_TOTP: Final = "urn:workos:oauth:grant-type:mfa-totp"
PASSWORD: Final = "seven green bottles"


@dataclass(frozen=True)
class Factor:
    """An enrolled factor, as its owner knows it."""

    user_id: str
    id: str
    secret: str
    challenge_id: str

    def code(self, ahead: int = 0) -> str:
        return authenticator.code_at(self.secret, authenticator.current_step() + ahead)

    def wrong(self) -> str:
        """Return a code that no step near the current one has."""
        near = {self.code(step) for step in range(-40, 41)}
        return next(code for code in map("{:06d}".format, range(1000)) if code not in near)


class Application:
    """What an application, or an attacker at its forms, can request of the server."""

    def __init__(self, server: Server, client: httpx.Client) -> None:
        self.server = server
        self.client = client

    def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        return self.client.post(path, json=body, headers=headers)

    def user(self, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
        return fields(
            self.post("/user_management/users", {"email": f"{uuid.uuid4().hex}@example.org", **more}), 201
        )

    def enroll(self, user_id: str = "", **more: str) -> Factor:
        """Enroll a user, by default a new one; with `totp_secret` the factor is active at once."""
        user_id = user_id or str(self.user()["id"])
        made = fields(
            self.post(f"/user_management/users/{user_id}/auth_factors", {"type": "totp", **more}), 201
        )
        secret = made["factor"]["totp"]["secret"]
        return Factor(user_id, made["factor"]["id"], secret, made["challenge"]["id"])

    def challenge(self, factor: Factor) -> str:
        return str(fields(self.post(f"/auth/factors/{factor.id}/challenge"), 201)["id"])

    def verify(self, challenge_id: str, code: str) -> dict[str, Any]:
        """Return the body, refused or not."""
        body = self.post(f"/auth/challenges/{challenge_id}/verify", {"code": code}).json()
        assert isinstance(body, dict)
        return body

    def answer(self, factor: Factor, code: str) -> dict[str, Any]:
        """Verify on a new challenge."""
        return self.verify(self.challenge(factor), code)

    def grant(self, grant_type: str, **body: object) -> httpx.Response:
        client = {"client_id": CLIENT_ID, "client_secret": API_KEY, "grant_type": grant_type}
        return self.post(AUTHENTICATE, {**client, **body})

    def password(self, email: str, password: str = PASSWORD, **more: object) -> httpx.Response:
        return self.grant("password", email=email, password=password, **more)

    def second_step(self, pending: dict[str, Any], code: str, **more: object) -> httpx.Response:
        body = {
            "pending_authentication_token": pending["pending_authentication_token"],
            "authentication_challenge_id": pending["authentication_challenge"]["id"],
            "code": code,
            **more,
        }
        return self.grant(MFA_TOTP, **body)

    def member(self) -> tuple[dict[str, Any], Factor]:
        """Make a user with a password and an active factor."""
        user = self.user(password=PASSWORD)
        factor = self.enroll(user["id"], totp_secret=base64.b32encode(os.urandom(20)).decode())
        return user, factor

    def pending(self, user: dict[str, Any]) -> dict[str, Any]:
        """Send the right password of a user with a factor and return the pending sign-in."""
        return fields(self.password(user["email"]), 403)


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"AUTHFACTOR_REFUSAL_TIME": "0"}
    if request.param == "postgres":
        database = request.getfixturevalue("postgres_server")
        url = database.url(database.create_database())
        assert command_line("migrate", AUTHFACTOR_DATABASE_URL=url).returncode == 0
        settings["AUTHFACTOR_DATABASE_URL"] = url
    started = Server(tmp_path_factory.mktemp(f"attacked-{request.param}") / "data", settings)
    started.start("--workers", "2")
    try:
        yield started
    except BaseException:
        started.kill()
        raise
    assert started.stop() == 0, started.output()
    log = started.output()
    assert "unexpected failure" not in log, log
    assert "never awaited" not in log


@pytest.fixture
def app(server: Server) -> Iterator[Application]:
    with server.client() as client:
        yield Application(server, client)


@pytest.fixture
def other(app: Application) -> Iterator[Application]:
    """An application in another environment of the same server."""
    created = app.server.run("--json", "environments", "create", uuid.uuid4().hex)
    assert created.returncode == 0, created.stderr
    key = created.stdout[created.stdout.index("sk_") :].split('"')[0]
    with app.server.client(key) as client:
        yield Application(app.server, client)
