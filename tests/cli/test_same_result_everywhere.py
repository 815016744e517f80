"""One scenario through all three doors: the library, HTTP, the command line. The answers must be the same."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from authfactor import errors
from authfactor.cli import exit_codes
from authfactor.core import Authfactor
from authfactor.http import error_responses
from authfactor.models import Environment, PageQuery
from authfactor.settings import Settings
from authfactor.store import Unit
from authfactor.wire import responses
from authfactor.wire.requests import CreateUser, EnrollUserFactor
from tests.support import authenticator
from tests.support.server_process import Json, Server, command_line, running

EMAIL: Final = "kim@example.org"
SECRET: Final = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
Story = dict[str, Any]


def tell(door: "Core | Web | Terminal") -> Story:
    """Enrol, verify, try the same code again, list, delete, look again; keep every answer."""
    story: Story = {"user": door.create_user()}
    user_id = story["user"]["id"]
    story["enrolled"] = door.enroll(user_id)
    factor_id, challenge_id = story["enrolled"]["factor"]["id"], story["enrolled"]["challenge"]["id"]
    code = authenticator.code(SECRET)
    story["verified"] = door.verify(challenge_id, code)
    story["verified again"] = door.verify(challenge_id, code)
    story["challenge"] = door.challenge(factor_id)
    story["replayed"] = door.verify(story["challenge"]["id"], code)
    story["listed"] = door.list(user_id)
    story["read"] = door.get(factor_id)
    story["deleted"] = door.delete(factor_id)
    story["read after deletion"] = door.get(factor_id)
    story["listed after deletion"] = door.list(user_id)
    story["refused secret"] = door.enroll(user_id, secret="0189")
    return story


class Core:
    """Our own Python code on an open installation."""

    def __init__(self, af: Authfactor, run: Callable[..., Any]) -> None:
        self._af = af
        self._run = run
        self._environment: Environment = run(af.read(lambda tx: tx.environments.all()))[0]

    def create_user(self) -> Json:
        return self._write(
            lambda: self._af.users.prepare_create(self._environment, CreateUser(email=EMAIL)), responses.user
        )

    def enroll(self, user_id: str, secret: str = SECRET) -> Json:
        request = EnrollUserFactor("totp", totp_issuer="Acme", totp_secret=secret)
        return self._write(
            lambda: ready(self._af.factors.enroll(self._environment, user_id, request)),
            responses.enrolled,
        )

    def challenge(self, factor_id: str) -> Json:
        return self._write(
            lambda: ready(self._af.challenges.create(self._environment, factor_id)), responses.challenge
        )

    def verify(self, challenge_id: str, code: str) -> Json:
        return self._write(
            lambda: ready(self._af.challenges.verify(self._environment, challenge_id, code)),
            responses.verification,
        )

    def list(self, user_id: str) -> Json:
        page = self._run(self._af.read(self._af.factors.page(self._environment, user_id, PageQuery())))
        return shape(responses.factors(page))

    def get(self, factor_id: str) -> Json:
        return self._write(
            lambda: ready(self._af.factors.get(self._environment, factor_id)), responses.factor
        )

    def delete(self, factor_id: str) -> Json:
        return self._write(lambda: ready(self._af.factors.delete(self._environment, factor_id)), None)

    def _write(self, prepare: Callable[[], Any], render: Callable[[Any], object] | None) -> Json:
        async def inside() -> Json:
            return await self._af.run(await prepare())

        try:
            result = self._run(inside())
        except errors.AuthfactorError as error:
            return shape(error_responses.body_of(error))
        return None if render is None else shape(render(result))


async def ready(unit: "Unit[Any]") -> "Unit[Any]":
    return unit


def shape(answer: object) -> Json:
    return json.loads(responses.encode(answer))


class Web:
    """HTTP."""

    def __init__(self, server: Server) -> None:
        self._client = server.client()

    def close(self) -> None:
        self._client.close()

    def create_user(self) -> Json:
        return self._send("POST", "/user_management/users", {"email": EMAIL})

    def enroll(self, user_id: str, secret: str = SECRET) -> Json:
        body = {"type": "totp", "totp_issuer": "Acme", "totp_secret": secret}
        return self._send("POST", f"/user_management/users/{user_id}/auth_factors", body)

    def challenge(self, factor_id: str) -> Json:
        return self._send("POST", f"/auth/factors/{factor_id}/challenge", {})

    def verify(self, challenge_id: str, code: str) -> Json:
        return self._send("POST", f"/auth/challenges/{challenge_id}/verify", {"code": code})

    def list(self, user_id: str) -> Json:
        return self._send("GET", f"/user_management/users/{user_id}/auth_factors")

    def get(self, factor_id: str) -> Json:
        return self._send("GET", f"/auth/factors/{factor_id}")

    def delete(self, factor_id: str) -> Json:
        return self._send("DELETE", f"/auth/factors/{factor_id}")

    def _send(self, method: str, path: str, body: Json = None) -> Json:
        answer = self._client.request(method, path, json=body)
        return answer.json() if answer.content else None


class Terminal:
    """The command line, one process a step. A refusal is its exit code and what it says."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def create_user(self) -> Json:
        return self._call("users", "create", EMAIL)

    def enroll(self, user_id: str, secret: str = SECRET) -> Json:
        return self._call("factors", "enroll", user_id, "--issuer", "Acme", "--secret", secret)

    def challenge(self, factor_id: str) -> Json:
        return self._call("factors", "challenge", factor_id)

    def verify(self, challenge_id: str, code: str) -> Json:
        return self._call("factors", "verify", challenge_id, code)

    def list(self, user_id: str) -> Json:
        return self._call("factors", "list", user_id)

    def get(self, factor_id: str) -> Json:
        return self._call("factors", "get", factor_id)

    def delete(self, factor_id: str) -> Json:
        self._call("factors", "delete", factor_id, "--yes")

    def _call(self, *arguments: str) -> Json:
        done = command_line("--data", str(self._data), "--json", *arguments)
        if done.stdout:
            answer = json.loads(done.stdout)
            assert done.returncode == (exit_codes.REFUSED if answer.get("valid") is False else 0), done.stderr
            return answer
        first, *items = done.stderr.splitlines()
        return {"exit": done.returncode, "message": first.removeprefix("authfactor: "), "items": items}


def comparable(story: Story) -> Story:
    """Replace what differs between installations: ids by the order of their first appearance, times."""
    names: dict[str, str] = {}

    def walk(value: Json) -> Json:
        if isinstance(value, dict):
            return {key: "T" if key.endswith("_at") and item else walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        if isinstance(value, str):
            for name, number in names.items():
                value = value.replace(name, number)
            if value.startswith(("user_", "auth_factor_", "auth_challenge_")):
                value = names.setdefault(value, f"<{len(names)}>")
        return value

    return {step: walk(answer) for step, answer in story.items()}


def as_terminal(answer: dict[str, Any]) -> dict[str, Any]:
    """Say an error body as the command line does."""
    code = {
        "entity_not_found": 4,
        "invalid_request_parameters": 2,
        "authentication_challenge_previously_verified": 5,
    }[answer["code"]]
    items = [f"  - {item['message']}" for item in answer.get("errors", ())]
    return {"exit": code, "message": answer["message"], "items": items}


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    folder = tmp_path_factory.mktemp("doors")
    with asyncio.Runner() as runner:
        af = runner.run(Authfactor.open(Settings(data=folder / "core")))
        try:
            core = tell(Core(af, runner.run))
        finally:
            runner.run(af.close())
    with running(folder / "web") as server:
        web_door = Web(server)
        web = tell(web_door)
        web_door.close()
    terminal = tell(Terminal(folder / "terminal"))
    return {"core": comparable(core), "web": comparable(web), "terminal": comparable(terminal)}


def test_http_answers_what_the_library_answers(stories: dict[str, Story]) -> None:
    assert stories["web"] == stories["core"]


def test_the_command_line_prints_what_http_answers(stories: dict[str, Story]) -> None:
    expected = {
        step: as_terminal(answer) if answer and "code" in answer else answer
        for step, answer in stories["web"].items()
    }

    assert stories["terminal"] == expected


def test_the_story_is_the_one_that_was_meant(stories: dict[str, Story]) -> None:
    story = stories["web"]

    assert story["enrolled"]["factor"]["totp"]["secret"] == SECRET
    assert story["verified"]["valid"] is True
    assert story["verified again"]["code"] == "authentication_challenge_previously_verified"
    assert (story["replayed"]["valid"], story["replayed"]["reason"]) == (False, "code_already_used")
    assert [factor["id"] for factor in story["listed"]["data"]] == [story["enrolled"]["factor"]["id"]]
    assert SECRET not in json.dumps([story["listed"], story["read"]])
    assert story["deleted"] is None
    assert story["read after deletion"]["code"] == "entity_not_found"
    assert story["listed after deletion"]["data"] == []
    assert [item["code"] for item in story["refused secret"]["errors"]] == ["totp_secret_invalid"]


def test_what_one_door_makes_the_others_find(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        web, terminal = Web(server), Terminal(server.data)
        user_id = web.create_user()["id"]
        made = terminal.enroll(user_id)
        code = authenticator.code(SECRET)

        assert web.verify(made["challenge"]["id"], code)["valid"] is True
        challenge = web.challenge(made["factor"]["id"])
        assert terminal.verify(challenge["id"], code)["reason"] == "code_already_used"
        assert web.get(made["factor"]["id"]) == terminal.get(made["factor"]["id"])
        terminal.delete(made["factor"]["id"])
        assert web.list(user_id)["data"] == []
        web.close()
