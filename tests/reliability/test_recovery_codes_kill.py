"""A server that is killed while recovery codes are made and spent leaves no half set and no code twice."""

import threading
import time
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.server_process import Server, fields

ROUNDS: Final = 3
SECRET: Final = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def spend(client: httpx.Client, factor: str, code: str) -> bool:
    challenge = fields(client.post(f"/auth/factors/{factor}/challenge"), 201)["id"]
    return bool(
        fields(client.post(f"/auth/challenges/{challenge}/verify", json={"code": code}), 201)["valid"]
    )


def work(server: Server, person: dict[str, Any]) -> None:
    """Make sets and spend their first codes until the server is gone."""
    path = f"/authfactor/users/{person['user']}/recovery_codes"
    with server.client() as client:
        try:
            while True:
                person["codes"] = None  # until the next set is acknowledged
                codes = fields(client.post(path), 201)["codes"]
                person.update(codes=codes, spent=[])
                for code in codes[:4]:
                    person["trying"] = code
                    assert spend(client, person["factor"], code)
                    person["spent"].append(code)
        except httpx.TransportError:
            return


def enroll(client: httpx.Client, number: int) -> dict[str, Any]:
    user = fields(client.post("/user_management/users", json={"email": f"kim{number}@example.org"}), 201)[
        "id"
    ]
    body = {"type": "totp", "totp_secret": SECRET}
    made = fields(client.post(f"/user_management/users/{user}/auth_factors", json=body), 201)
    return {"user": user, "factor": made["factor"]["id"], "codes": None, "spent": [], "trying": None}


def test_killed_server_leaves_whole_sets_and_no_spent_code(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {})
    checked = 0
    for kill in range(ROUNDS):
        server.start()
        with server.client() as client:
            people = [enroll(client, 10 * kill + number) for number in range(4)]
        threads = [threading.Thread(target=work, args=(server, person)) for person in people]
        for thread in threads:
            thread.start()
        time.sleep(1)
        server.kill()
        for thread in threads:
            thread.join()
        server.start()
        with server.client() as client:
            for person in people:
                path = f"/authfactor/users/{person['user']}/recovery_codes"
                assert fields(client.get(path), 200)["total"] in {0, 10}
                for code in person["spent"]:
                    assert not spend(client, person["factor"], code)
                    checked += 1
                for code in set(person["codes"] or ()) - {*person["spent"], person["trying"]}:
                    assert spend(client, person["factor"], code)
        assert server.stop() == 0, server.output()
    assert checked
