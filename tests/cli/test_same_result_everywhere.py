"""One scenario through the library, HTTP and the command line, with the same results."""

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
Results = dict[str, Any]


def run_scenario(interface: "Core | Web | Terminal") -> Results:
    """Enroll, verify, repeat the code, list, delete, read again; return the result of each step."""
    results: Results = {"user": interface.create_user()}
    user_id = results["user"]["id"]
    results["enrolled"] = interface.enroll(user_id)
    factor_id, challenge_id = results["enrolled"]["factor"]["id"], results["enrolled"]["challenge"]["id"]
    code = authenticator.code(SECRET)
    results["verified"] = interface.verify(challenge_id, code)
    results["verified again"] = interface.verify(challenge_id, code)
    results["another code"] = interface.verify(challenge_id, authenticator.wrong_code(SECRET))
    results["enrolled again"] = interface.enroll(user_id)
    results["challenge"] = interface.challenge(factor_id)
    results["replayed"] = interface.verify(results["challenge"]["id"], code)
    results["malformed"] = interface.verify(results["challenge"]["id"], "12345")
    results["listed"] = interface.list(user_id)
    results["read"] = interface.get(factor_id)
    results["deleted"] = interface.delete(factor_id)
    results["read after deletion"] = interface.get(factor_id)
    results["listed after deletion"] = interface.list(user_id)
    results["refused secret"] = interface.enroll(user_id, secret="0189")
    return results


class Core:
    """The library, on an open installation."""

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
    """The command line, one process per step. A refusal is its exit code and message."""

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


def comparable(results: Results) -> Results:
    """Replace what differs between installations: ids (by order of first appearance) and times."""
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

    return {step: walk(answer) for step, answer in results.items()}


def as_terminal(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an error body as the command line prints it."""
    code = {
        "entity_not_found": 4,
        "invalid_request_parameters": 2,
        "authentication_challenge_previously_verified": 5,
    }[answer["code"]]
    items = [f"  - {item['message']}" for item in answer.get("errors", ())]
    return {"exit": code, "message": answer["message"], "items": items}


@pytest.fixture(scope="module")
def results_by_interface(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    folder = tmp_path_factory.mktemp("interfaces")
    with asyncio.Runner() as runner:
        af = runner.run(Authfactor.open(Settings(data=folder / "core")))
        try:
            core = run_scenario(Core(af, runner.run))
        finally:
            runner.run(af.close())
    with running(folder / "web") as server:
        http = Web(server)
        web = run_scenario(http)
        http.close()
    terminal = run_scenario(Terminal(folder / "terminal"))
    return {"core": comparable(core), "web": comparable(web), "terminal": comparable(terminal)}


def test_http_and_the_library_return_the_same_results(results_by_interface: dict[str, Results]) -> None:
    assert results_by_interface["web"] == results_by_interface["core"]


def test_the_command_line_and_http_return_the_same_results(results_by_interface: dict[str, Results]) -> None:
    expected = {
        step: as_terminal(answer) if answer and "code" in answer else answer
        for step, answer in results_by_interface["web"].items()
    }

    assert results_by_interface["terminal"] == expected


def test_the_scenario_has_the_expected_outcomes(results_by_interface: dict[str, Results]) -> None:
    results = results_by_interface["web"]

    assert results["enrolled"]["factor"]["totp"]["secret"] == SECRET
    assert results["verified"]["valid"] is True
    assert results["verified again"] == results["verified"]
    assert results["another code"]["code"] == "authentication_challenge_previously_verified"
    assert [item["code"] for item in results["enrolled again"]["errors"]] == ["factor_already_enrolled"]
    assert (results["malformed"]["reason"], results["malformed"]["attempts_remaining"]) == (
        "code_malformed",
        4,
    )
    assert (results["replayed"]["valid"], results["replayed"]["reason"]) == (False, "code_already_used")
    assert [factor["id"] for factor in results["listed"]["data"]] == [results["enrolled"]["factor"]["id"]]
    assert SECRET not in json.dumps([results["listed"], results["read"]])
    assert results["deleted"] is None
    assert results["read after deletion"]["code"] == "entity_not_found"
    assert results["listed after deletion"]["data"] == []
    assert [item["code"] for item in results["refused secret"]["errors"]] == ["totp_secret_invalid"]


def test_http_and_the_command_line_share_one_database(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        web, terminal = Web(server), Terminal(server.data)
        user_id = web.create_user()["id"]
        enrolled = terminal.enroll(user_id)
        code = authenticator.code(SECRET)

        assert web.verify(enrolled["challenge"]["id"], code)["valid"] is True
        challenge = web.challenge(enrolled["factor"]["id"])
        assert terminal.verify(challenge["id"], code)["reason"] == "code_already_used"
        assert web.get(enrolled["factor"]["id"]) == terminal.get(enrolled["factor"]["id"])
        terminal.delete(enrolled["factor"]["id"])
        assert web.list(user_id)["data"] == []
        web.close()
