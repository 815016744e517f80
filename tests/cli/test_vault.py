"""`authfactor vault` while a server with two workers handles requests."""

import json
import os
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest

from authfactor.crypto import keyring
from tests.support import server_process
from tests.support.authenticator import code as code_of

CLIENTS = 3


def status(server: server_process.Server) -> tuple[int, list[dict[str, Any]]]:
    done = server.run("--json", "vault", "status")
    return done.returncode, json.loads(done.stdout)["keys"]


def enroll(server: server_process.Server) -> tuple[str, str]:
    with server.client() as client:
        body = {"type": "totp", "totp_issuer": "Acme", "totp_user": "pat"}
        made = server_process.fields(client.post("/auth/factors/enroll", json=body), 201)
    return made["id"], made["totp"]["secret"]


class Load:
    """Clients that enroll and verify until stopped; `wrong` collects unexpected outcomes."""

    def __init__(self, server: server_process.Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]
        self.wrong: list[str] = []
        self.done = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        try:
            with self._server.client() as client:
                while not self._stop.is_set():
                    body = {"type": "totp", "totp_issuer": "Acme", "totp_user": "pat"}
                    made = server_process.fields(client.post("/auth/factors/enroll", json=body), 201)
                    challenge = server_process.fields(
                        client.post(f"/auth/factors/{made['id']}/challenge"), 201
                    )
                    code = code_of(made["totp"]["secret"])
                    path = f"/auth/challenges/{challenge['id']}/verify"
                    answer = server_process.fields(client.post(path, json={"code": code}), 201)
                    if not answer["valid"]:
                        self.wrong.append(str(answer))
                    self.done += 1
        except Exception as error:  # noqa: BLE001 - reported to the test
            self.wrong.append(repr(error))


@pytest.mark.timeout(180)
def test_a_key_rotation_under_load_fails_no_request(tmp_path: Path) -> None:
    with server_process.running(tmp_path / "data", {"AUTHFACTOR_WORKERS": "2"}) as server:
        before = [enroll(server) for _ in range(20)]
        ((_, [old]),) = (status(server),)
        with Load(server) as load:
            time.sleep(1)
            rotated = server.run("--json", "vault", "rotate")
            time.sleep(1)
        assert rotated.returncode == 0, rotated.stderr
        assert load.wrong == []
        assert load.done > CLIENTS
        new = json.loads(rotated.stdout)
        assert new["added"]
        assert new["resealed"] >= len(before)
        code, keys = status(server)
        assert code == 0
        assert [(key["id"], key["state"]) for key in keys] == [(old["id"], "opens"), (new["key"], "seals")]
        assert keys[0]["secrets"] == 0
        with server.client() as client:
            for factor, secret in before:
                challenge = server_process.fields(client.post(f"/auth/factors/{factor}/challenge"), 201)
                path = f"/auth/challenges/{challenge['id']}/verify"
                assert client.post(path, json={"code": code_of(secret)}).json()["valid"]
        assert server.run("vault", "retire", old["id"]).returncode == 0
        assert server.run("vault", "retire", new["key"]).returncode == 8
        with server.client() as client:
            server_process.fields(client.post(f"/auth/factors/{before[0][0]}/challenge"), 201)
        assert [key["id"] for key in status(server)[1]] == [new["key"]]


@pytest.mark.parametrize("recorded", [False, True])
def test_an_interrupted_rotation_resumes_with_the_same_key(tmp_path: Path, recorded: bool) -> None:
    with server_process.running(tmp_path / "data") as server:
        enroll(server)
    # The state after a rotation that stopped after adding its key, before or after recording it.
    added = keyring.FileSource(tmp_path / "data" / "keys").add(os.urandom)[-1].id
    if recorded:
        with closing(sqlite3.connect(tmp_path / "data" / "authfactor.db", isolation_level=None)) as database:
            database.execute("INSERT INTO vault_keys VALUES (?, 1)", (added,))
    resumed = json.loads(server.run("--json", "vault", "rotate", "--wait", "0").stdout)
    assert (resumed["key"], resumed["added"]) == (added, False)
    assert resumed["resealed"] >= 1
    assert json.loads(server.run("--json", "vault", "rotate", "--wait", "0").stdout)["added"]


def test_a_server_without_a_needed_key_does_not_start(tmp_path: Path) -> None:
    with server_process.running(tmp_path / "data") as server:
        enroll(server)
    ring = tmp_path / "data" / "keys"
    ring.rename(tmp_path / "moved-away")
    refused = server.run("serve", "--port", str(server_process.free_port()))
    assert refused.returncode != 0
    lines = [line for line in refused.stderr.splitlines() + refused.stdout.splitlines() if line.strip()]
    assert any("Put it back from the backup of the key ring" in line for line in lines), lines
    assert "Traceback" not in refused.stderr + refused.stdout
    assert not ring.exists()
    code, keys = status(server)
    assert (code, [key["state"] for key in keys]) == (8, ["missing"])
    assert keys[0]["secrets"] >= 1


def test_a_server_reads_its_key_ring_from_a_command(tmp_path: Path) -> None:
    made = server_process.command_line("--data", str(tmp_path / "first"), "keys", "create")
    assert made.returncode == 0, made.stderr
    subprocess.run(
        ["sh", "-c", "umask 077; head -c 32 /dev/urandom | base64 > ring"], cwd=tmp_path, check=True
    )
    settings = {"AUTHFACTOR_KEY_COMMAND": f"cat {tmp_path / 'ring'}"}
    with server_process.running(tmp_path / "data", settings) as server:
        enroll(server)
        assert not (tmp_path / "data" / "keys").exists()
    ended = server_process.command_line(
        "--data",
        str(tmp_path / "data"),
        "keys",
        "list",
        AUTHFACTOR_KEY_COMMAND="sh -c 'echo denied >&2; exit 4'",
    )
    assert ended.returncode == 8
    assert ended.stderr == "authfactor: The key command ended with exit code 4: denied\n"
