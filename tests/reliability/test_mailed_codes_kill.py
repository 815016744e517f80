"""A server that is killed while codes and links are used lets none be used twice, and loses no answer."""

import threading
import time
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.server_process import API_KEY, Server, fields

ROUNDS: Final = 3
MAGIC_AUTH: Final = "urn:workos:oauth:grant-type:magic-auth:code"


class Person:
    """One user, with what the server has acknowledged."""

    def __init__(self, email: str, client_id: str) -> None:
        self.email = email
        self.client_id = client_id
        self.used: list[dict[str, Any]] = []
        self.resets: list[dict[str, Any]] = []
        self.passwords = 0

    def enter(self, client: httpx.Client, code: str) -> httpx.Response:
        body = {"grant_type": MAGIC_AUTH, "client_id": self.client_id, "client_secret": API_KEY}
        return client.post("/user_management/authenticate", json={**body, "email": self.email, "code": code})

    def reset(self, client: httpx.Client, token: str) -> httpx.Response:
        self.passwords += 1
        body = {"token": token, "new_password": f"{self.passwords} green bottles"}
        return client.post("/user_management/password_reset/confirm", json=body)


def work(server: Server, person: Person) -> None:
    """Use codes and links until the server is gone."""
    with server.client() as client:
        try:
            while True:
                body = {"email": person.email}
                made = fields(client.post("/user_management/magic_auth", json=body), 201)
                fields(person.enter(client, made["code"]), 200)
                person.used.append(made)
                link = fields(client.post("/user_management/password_reset", json=body), 201)
                fields(person.reset(client, link["password_reset_token"]), 200)
                person.resets.append(link)
        except httpx.TransportError:
            return


def test_killed_server_lets_no_code_and_no_link_be_used_twice(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {"AUTHFACTOR_BOOTSTRAP_CLIENT_ID": "client_kill"})
    checked = 0
    for kill in range(ROUNDS):
        server.start()
        people = [Person(f"kim{kill}{number}@example.org", "client_kill") for number in range(4)]
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
                for made in person.used[-3:]:
                    assert person.enter(client, made["code"]).status_code == 400
                    checked += 1
                for link in person.resets:
                    assert person.reset(client, link["password_reset_token"]).status_code == 404
                    checked += 1
                # Whatever the kill interrupted, a new code signs in.
                fresh = fields(client.post("/user_management/magic_auth", json={"email": person.email}), 201)
                fields(person.enter(client, fresh["code"]), 200)
        assert server.stop() == 0, server.output()
    assert checked
