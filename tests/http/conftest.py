"""Fixtures: one server for this folder, and a separate user for each test."""

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
class OtherEnvironment:
    """Another environment of the same server, with a user, a factor and a challenge."""

    key: str
    user: dict[str, Any]
    factor: dict[str, Any]
    challenge: dict[str, Any]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("http") / "data"
    with running(data, {"AUTHFACTOR_TEAM_NAME": "Acme Corp"}) as running_server:
        yield running_server


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
    """Enroll the user in a factor; keyword arguments are body fields."""

    def enroll_user(**body: str) -> Enrolled:
        enrolled = fields(api.post(factors_path, json={"type": "totp", **body}), 201)
        return Enrolled(user, enrolled["authentication_factor"], enrolled["authentication_challenge"])

    return enroll_user


@pytest.fixture
def enrolled(enroll: Callable[..., Enrolled]) -> Enrolled:
    return enroll()


@pytest.fixture(scope="session")
def other_environment(server: Server) -> OtherEnvironment:
    creation = server.run("--json", "environments", "create", "other")
    assert creation.returncode == 0, creation.stderr
    key = json.loads(creation.stdout)["api_key"]
    with server.client(key) as client:
        user = fields(client.post("/user_management/users", json={"email": "kim@example.org"}), 201)
        path = f"/user_management/users/{user['id']}/auth_factors"
        enrolled = fields(client.post(path, json={"type": "totp"}), 201)
    factor, challenge = enrolled["authentication_factor"], enrolled["authentication_challenge"]
    return OtherEnvironment(key, user, factor, challenge)


@pytest.fixture
def clean_api(api: httpx.Client) -> httpx.Client:
    """Delete the recordings' user, if present, and return the API client."""
    for user in fields(api.get("/user_management/users", params={"email": EMAIL}), 200)["data"]:
        api.delete(f"/user_management/users/{user['id']}")
    return api
