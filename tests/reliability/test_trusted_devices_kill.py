"""A server that is killed while devices' tokens are spent forgets no spent token and loses no device."""

import threading
import time
from pathlib import Path
from typing import Any, Final

import httpx
import jwt

from authfactor.settings import Settings
from tests.support import authenticator, databases
from tests.support.server_process import API_KEY, CLIENT_ID, Server, fields

ROUNDS: Final = 3
SECRET: Final = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PASSWORD: Final = "seven green bottles"
ROTATE: Final = "/authfactor/trusted_devices/rotate"


def second_step(client: httpx.Client, email: str, code: str) -> httpx.Response:
    """Sign in with the password, and with a code or what replaces it."""
    grant = {"client_id": CLIENT_ID, "client_secret": API_KEY}
    first = {"grant_type": "password", "email": email, "password": PASSWORD, **grant}
    pending = fields(client.post("/user_management/authenticate", json=first), 403)
    second = {
        "grant_type": "urn:workos:oauth:grant-type:mfa-totp",
        "code": code,
        "pending_authentication_token": pending["pending_authentication_token"],
        "authentication_challenge_id": pending["authentication_challenge"]["id"],
        **grant,
    }
    return client.post("/user_management/authenticate", json=second)


def sign_in(client: httpx.Client, email: str) -> str:
    """Sign in with password and code; return the session's id."""
    tokens = fields(second_step(client, email, authenticator.code(SECRET)), 200)
    return str(jwt.decode(tokens["access_token"], options={"verify_signature": False})["sid"])


def trust(client: httpx.Client, email: str) -> list[str]:
    """Make a user with a trusted device; return the list of its tokens so far."""
    body = {"email": email, "password": PASSWORD}
    user = fields(client.post("/user_management/users", json=body), 201)["id"]
    factor = {"type": "totp", "totp_secret": SECRET}
    fields(client.post(f"/user_management/users/{user}/auth_factors", json=factor), 201)
    session = {"session_id": sign_in(client, email)}
    return [fields(client.post("/authfactor/trusted_devices", json=session), 201)["token"]]


def work(server: Server, tokens: list[str]) -> None:
    """Spend the newest token until the server is gone."""
    with server.client() as client:
        try:
            while True:
                tokens.append(fields(client.post(ROTATE, json={"token": tokens[-1]}), 200)["token"])
        except httpx.TransportError:
            return


def unspent(server: Server) -> list[Any]:
    statement = "SELECT count(*) FROM trusted_device_tokens WHERE spent_at IS NULL GROUP BY device_id"
    return [row[0] for row in databases.sql(Settings(data=server.data), statement)]


def test_killed_server_accepts_no_token_twice(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {})
    server.start()
    allowed = ("environments", "update", "default", "--trusted-devices", "allowed")
    assert server.run(*allowed).returncode == 0
    time.sleep(1)  # callers are cached
    checked = 0
    for kill in range(ROUNDS):
        with server.client() as client:
            people = [trust(client, f"kim{10 * kill + number}@example.org") for number in range(4)]
        threads = [threading.Thread(target=work, args=(server, tokens)) for tokens in people]
        for thread in threads:
            thread.start()
        time.sleep(1)
        server.kill()
        for thread in threads:
            thread.join()
        assert set(unspent(server)) == {1}
        server.start()
        with server.client() as client:
            for tokens in people:
                # Unspent, or spent by the request whose answer was lost.
                fields(client.post(ROTATE, json={"token": tokens[-1]}), 200)
                assert len(tokens) > 1
                for token in tokens[:-1][-3:]:
                    refused = fields(client.post(ROTATE, json={"token": token}), 400)
                    assert refused["reason"] == "device_not_trusted"
                    checked += 1
    assert server.stop() == 0, server.output()
    assert checked
