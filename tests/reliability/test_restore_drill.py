"""Restore drill: a backup under load, a killed server, a restore; no earlier code is accepted again."""

import json
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from authfactor.settings import Settings
from tests.cli.test_vault import enroll
from tests.support import authenticator
from tests.support.fault_invariants import Acknowledged, broken
from tests.support.fault_load import Clients
from tests.support.server_process import Server, assert_no_surprise, fields


def answer(server: Server, factor: str, code: str) -> dict[str, Any]:
    with server.client() as client:
        challenge = fields(client.post(f"/auth/factors/{factor}/challenge"), 201)
        return fields(client.post(f"/auth/challenges/{challenge['id']}/verify", json={"code": code}), 201)


def delete_database(data: Path) -> None:
    for path in data.glob("authfactor.db*"):
        path.unlink()


@pytest.mark.timeout(240)
def test_a_restored_backup_is_complete_and_accepts_no_earlier_code(
    tmp_path: Path,
) -> None:
    data, file = tmp_path / "data", tmp_path / "backup"
    server = Server(data, {"AUTHFACTOR_WORKERS": "2"})
    server.start()
    used_before, used_after, unused = enroll(server), enroll(server), enroll(server)
    with server.client() as client:
        deleted_before = fields(
            client.post("/user_management/users", json={"email": "before@example.org"}), 201
        )["id"]
        deleted_after = fields(
            client.post("/user_management/users", json={"email": "after@example.org"}), 201
        )["id"]
        client.delete(f"/user_management/users/{deleted_before}")
    first = authenticator.code(used_before[1])
    assert answer(server, used_before[0], first)["valid"]
    with Clients(server) as clients:
        time.sleep(1)
        # Writes acknowledged so far must be in the backup; concurrent ones may be.
        acknowledged = deepcopy(clients.acknowledged)
        backup = server.run("--json", "backup", str(file))
        time.sleep(0.5)
        second = authenticator.code(used_after[1])
        assert answer(server, used_after[0], second)["valid"]
        with server.client() as client:
            client.delete(f"/user_management/users/{deleted_after}")
        acknowledged_at_kill = len(clients.acknowledged.factors)
        server.kill()
    assert backup.returncode == 0, backup.stderr
    assert set(clients.answers) == {201}
    assert acknowledged_at_kill > len(acknowledged.factors) > 0
    delete_database(data)

    restored = server.run("--json", "restore", str(file))
    assert restored.returncode == 0, restored.stderr
    marked = json.loads(restored.stdout)["marked"]
    assert marked["factors"] >= len(acknowledged.factors) + 3
    acknowledged.marked = marked["not_before"] - 1
    assert broken(Settings(data=data), acknowledged) == []

    server.start()
    for factor, code in ((used_before[0], first), (used_after[0], second)):
        assert answer(server, factor, code)["valid"] is False
    # Nor is a code that the server would have accepted at the moment of the restore.
    for ahead in (0, 1):
        code = authenticator.code_at(unused[1], acknowledged.marked - 1 + ahead)
        assert answer(server, unused[0], code)["valid"] is False
    with server.client() as client:
        assert client.get(f"/user_management/users/{deleted_before}").status_code == 404
        # Deleted after the backup, so the restore brings it back, as the command warns.
        assert client.get(f"/user_management/users/{deleted_after}").status_code == 200
    while authenticator.current_step() < marked["not_before"] - 1:
        time.sleep(0.2)
    # A phone that is one step ahead shows the first code that is accepted, once.
    for factor, secret in (used_before, used_after, unused):
        code = authenticator.code_at(secret, marked["not_before"])
        assert answer(server, factor, code)["valid"]
        assert answer(server, factor, code)["reason"] == "code_already_used"
    assert server.stop() == 0
    assert_no_surprise(server)


@pytest.mark.timeout(120)
def test_a_manually_restored_file_accepts_no_used_code_after_mark(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = Server(data)
    server.start()
    factor, secret = enroll(server)
    assert server.stop() == 0
    old = (data / "authfactor.db").read_bytes()
    server.start()
    step = authenticator.current_step()
    code = authenticator.code_at(secret, step)
    assert answer(server, factor, code)["valid"]
    assert server.stop() == 0
    delete_database(data)
    (data / "authfactor.db").write_bytes(old)
    (data / "authfactor.db").chmod(0o600)
    marked = json.loads(server.run("--json", "restore", "--mark").stdout)["marked"]
    server.start()
    assert answer(server, factor, code)["reason"] == "code_already_used"
    assert server.stop() == 0
    assert broken(Settings(data=data), Acknowledged(marked=marked["not_before"] - 1)) == []
