"""A server that is killed while passkeys sign in accepts no assertion again that it had accepted."""

import json
import random
import threading
import time
from pathlib import Path
from typing import Any, Final

import httpx

from authfactor.testing.software_authenticator import SoftwareAuthenticator
from tests.support.server_process import API_KEY, CLIENT_ID, Server, fields

ROUNDS: Final = 3
ORIGIN: Final = "https://auth.example.org"
SETTINGS: Final = {"AUTHFACTOR_BASE_URL": ORIGIN}


def register(client: httpx.Client, number: int) -> dict[str, Any]:
    device = SoftwareAuthenticator(random.Random(number).randbytes)
    email = {"email": f"kim{number}@example.org"}
    user = fields(client.post("/user_management/users", json=email), 201)["id"]
    path = f"/authfactor/users/{user}/passkey_registrations"
    begun = fields(client.post(path), 201)
    made = {"credential": device.create(begun["public_key"], ORIGIN)}
    factor = fields(client.post(f"{path}/{begun['id']}/verify", json=made), 201)["id"]
    registration = f"{path}/{begun['id']}/verify", made
    return {"user": user, "factor": factor, "device": device, "registration": registration, "accepted": []}


def second_factor(client: httpx.Client, person: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a request that verifies a challenge."""
    opened = fields(client.post(f"/auth/factors/{person['factor']}/challenge"), 201)
    signed = person["device"].get(opened["webauthn"]["public_key"], ORIGIN)
    return f"/auth/challenges/{opened['id']}/verify", {"code": json.dumps(signed)}


def first_factor(client: httpx.Client, person: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a request that signs in by the passkey alone."""
    begun = fields(client.post("/authfactor/passkey_authentications"), 201)
    return "/user_management/authenticate", {
        "client_id": CLIENT_ID,
        "client_secret": API_KEY,
        "grant_type": "urn:authfactor:oauth:grant-type:passkey",
        "authentication_id": begun["id"],
        "credential": person["device"].get(begun["public_key"], ORIGIN),
    }


def is_accepted(response: httpx.Response) -> bool:
    found = response.json()
    return response.status_code == 200 or found.get("valid") is True


def work(server: Server, person: dict[str, Any]) -> None:
    """Use the passkey in both ways until the server is gone."""
    with server.client() as client:
        try:
            while True:
                for making in (second_factor, first_factor):
                    path, body = making(client, person)
                    person["trying"] = path, body
                    assert is_accepted(client.post(path, json=body))
                    person["accepted"].append((path, body))
        except httpx.TransportError:
            return


def test_killed_server_accepts_no_assertion_again(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", SETTINGS)
    checked = 0
    for kill in range(ROUNDS):
        server.start()
        with server.client() as client:
            people = [register(client, 10 * kill + number) for number in range(4)]
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
                # What was in flight may have been accepted or not, but not twice.
                path, body = person["trying"]
                assert [is_accepted(client.post(path, json=body)) for _ in range(3)].count(True) <= 1
                for path, body in person["accepted"][-20:]:
                    assert not is_accepted(client.post(path, json=body))
                    checked += 1
                assert (
                    client.post(person["registration"][0], json=person["registration"][1]).status_code == 422
                )
                listed = fields(client.get(f"/authfactor/users/{person['user']}/factors"), 200)["data"]
                assert [each["state"] for each in listed] == ["active"], "a repeat is no copied passkey"
                for making in (second_factor, first_factor):
                    path, body = making(client, person)
                    assert is_accepted(client.post(path, json=body))
        assert server.stop() == 0, server.output()
    assert checked
