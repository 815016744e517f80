"""One server for all tests of this folder, users of their own for each."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.sdk_replay import EMAIL
from tests.support.server_process import Server, fields, running


@dataclass(frozen=True)
class Enrolled:
    """A user with a fresh factor and its first challenge."""

    user: dict[str, Any]
    factor: dict[str, Any]
    challenge: dict[str, Any]

    @property
    def secret(self) -> str:
        return str(self.factor["totp"]["secret"])

    @property
    def verify_path(self) -> str:
        return f"/auth/challenges/{self.challenge['id']}/verify"


@dataclass(frozen=True)
class Stranger:
    """Another environment of the same server, with one of everything in it."""

    key: str
    user: dict[str, Any]
    factor: dict[str, Any]
    challenge: dict[str, Any]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("http") / "data"
    with running(data, {"AUTHFACTOR_TEAM_NAME": "Acme Corp"}) as started:
        yield started


@pytest.fixture(scope="session")
def api(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="session")
def anonymous(server: Server) -> Iterator[httpx.Client]:
    with server.client(key=None) as client:
        yield client


@pytest.fixture
def email() -> str:
    return f"kim.{uuid.uuid4().hex}@example.org"


@pytest.fixture
def user(api: httpx.Client, email: str) -> dict[str, Any]:
    return fields(api.post("/user_management/users", json={"email": email}), 201)


@pytest.fixture
def factors_path(user: dict[str, Any]) -> str:
    return f"/user_management/users/{user['id']}/auth_factors"


@pytest.fixture
def enroll(api: httpx.Client, user: dict[str, Any], factors_path: str) -> Callable[..., Enrolled]:
    """Enrol the user in a factor; keyword arguments are body fields."""

    def make(**body: str) -> Enrolled:
        made = fields(api.post(factors_path, json={"type": "totp", **body}), 201)
        return Enrolled(user, made["authentication_factor"], made["authentication_challenge"])

    return make


@pytest.fixture
def enrolled(enroll: Callable[..., Enrolled]) -> Enrolled:
    return enroll()


@pytest.fixture(scope="session")
def stranger(server: Server) -> Stranger:
    made = server.run("--json", "environments", "create", "other")
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)["api_key"]
    with server.client(key) as client:
        user = fields(client.post("/user_management/users", json={"email": "kim@example.org"}), 201)
        path = f"/user_management/users/{user['id']}/auth_factors"
        made_factor = fields(client.post(path, json={"type": "totp"}), 201)
    factor, challenge = made_factor["authentication_factor"], made_factor["authentication_challenge"]
    return Stranger(key, user, factor, challenge)


@pytest.fixture
def clean(api: httpx.Client) -> httpx.Client:
    """Remove the recordings' user, should one be there."""
    for user in fields(api.get("/user_management/users", params={"email": EMAIL}), 200)["data"]:
        api.delete(f"/user_management/users/{user['id']}")
    return api
