"""An application's whole flow over sockets: from a new user to verified, refreshed and revoked tokens."""

import base64
import hashlib
import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support import authenticator, response_assertions
from tests.support.application import AUTHENTICATE, MFA_TOTP, PASSWORD, refused
from tests.support.server_process import API_KEY, CLIENT_ID, Server, fields

Json = dict[str, Any]
Send = Callable[[httpx.Client, Json], httpx.Response]
NODE_VERIFIES = """
const { createPublicKey, verify } = require('node:crypto')
const { token, keys } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
const [head, claims, signature] = token.split('.')
const { kid, alg } = JSON.parse(Buffer.from(head, 'base64url'))
const key = createPublicKey({ key: keys.find((jwk) => jwk.kid === kid), format: 'jwk' })
const good = (text) => verify('RSA-SHA256', Buffer.from(text), key, Buffer.from(signature, 'base64url'))
const sub = JSON.parse(Buffer.from(claims, 'base64url')).sub
console.log(JSON.stringify({ alg, good: good(`${head}.${claims}`), forged: good(`${head}.${claims}x`), sub }))
"""


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def public_client(server: Server) -> Iterator[httpx.Client]:
    with server.client(key=None) as client:
        yield client


def as_json(client: httpx.Client, body: Json) -> httpx.Response:
    return client.post(AUTHENTICATE, json=body)


def as_form(client: httpx.Client, body: Json) -> httpx.Response:
    return client.post(AUTHENTICATE, data=body)


def grant(grant_type: str, **body: str) -> Json:
    return {"grant_type": grant_type, "client_id": CLIENT_ID, "client_secret": API_KEY, **body}


def enroll(api: httpx.Client) -> tuple[Json, str]:
    """Create a user with a password and a factor activated by its first code."""
    email = f"kim+{uuid.uuid4().hex}@example.org"
    user = fields(api.post("/user_management/users", json={"email": email, "password": PASSWORD}), 201)
    path = f"/user_management/users/{user['id']}/auth_factors"
    enrolled = fields(api.post(path, json={"type": "totp"}), 201)
    secret = enrolled["authentication_factor"]["totp"]["secret"]
    challenge = enrolled["authentication_challenge"]["id"]
    verify = api.post(f"/auth/challenges/{challenge}/verify", json={"code": authenticator.code(secret)})
    assert fields(verify, 201)["valid"] is True
    return user, secret


def begin(send: Send, client: httpx.Client, user: Json) -> Json:
    return fields(send(client, grant("password", email=user["email"], password=PASSWORD)), 403)


def code_grant(pending: Json, code: str) -> Json:
    return grant(
        MFA_TOTP,
        code=code,
        pending_authentication_token=pending["pending_authentication_token"],
        authentication_challenge_id=pending["authentication_challenge"]["id"],
    )


@pytest.fixture(scope="module")
def tokens(api: httpx.Client, public_client: httpx.Client) -> Json:
    user, secret = enroll(api)
    pending = begin(as_json, public_client, user)
    return fields(as_json(public_client, code_grant(pending, authenticator.code(secret, ahead=1))), 200)


@pytest.mark.parametrize("send", [as_json, as_form])
def test_sign_in_refresh_and_revocation_work_end_to_end(
    api: httpx.Client, public_client: httpx.Client, send: Send
) -> None:
    user, secret = enroll(api)
    pending = begin(send, public_client, user)
    assert pending["code"] == "mfa_challenge"
    response_assertions.assert_user(pending["user"])
    response_assertions.assert_challenge(
        pending["authentication_challenge"], pending["authentication_factors"][0]["id"]
    )
    refused(
        send(public_client, code_grant(pending, authenticator.wrong_code(secret))), "invalid_one_time_code"
    )
    tokens = fields(send(public_client, code_grant(pending, authenticator.code(secret, ahead=1))), 200)
    assert set(tokens) == {"user", "access_token", "refresh_token", "authentication_method"}
    response_assertions.assert_user(tokens["user"])
    assert tokens["authentication_method"] == "Password"

    refreshed = fields(
        send(public_client, grant("refresh_token", refresh_token=tokens["refresh_token"])), 200
    )
    assert refreshed["refresh_token"] != tokens["refresh_token"]
    listed = fields(api.get(f"/user_management/users/{user['id']}/sessions"), 200)["data"]
    claims = jwt.decode(refreshed["access_token"], options={"verify_signature": False})
    assert [session["id"] for session in listed] == [claims["sid"]]

    revoked = api.post("/user_management/sessions/revoke", json={"session_id": claims["sid"]})
    assert (revoked.status_code, revoked.content) == (200, b"")
    assert "content-type" not in revoked.headers
    for token in (tokens["refresh_token"], refreshed["refresh_token"]):
        body = fields(send(public_client, grant("refresh_token", refresh_token=token)), 400)
        assert body == {"error": "invalid_grant", "error_description": "Invalid refresh token."}


def test_pyjwt_verifies_with_the_published_key(server: Server, tokens: Json) -> None:
    keys = jwt.PyJWKClient(f"{server.url}/sso/jwks/{CLIENT_ID}")
    key = keys.get_signing_key_from_jwt(tokens["access_token"])
    # Without leeway, this fails for a token issued in the future.
    claims = jwt.decode(tokens["access_token"], key, algorithms=["RS256"])
    assert claims["sub"] == tokens["user"]["id"]
    assert claims["exp"] - claims["iat"] == 300


def test_token_with_an_unknown_key_id_is_refused(server: Server, tokens: Json) -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"key_unknown"}').rstrip(b"=").decode()
    forged = f"{head}.{tokens['access_token'].partition('.')[2]}"
    keys = jwt.PyJWKClient(f"{server.url}/sso/jwks/{CLIENT_ID}")
    with pytest.raises(jwt.PyJWKClientError, match="key_unknown"):
        keys.get_signing_key_from_jwt(forged)


def test_node_verifies_with_the_published_key(
    public_client: httpx.Client, tokens: Json, needs: Callable[[str], Path]
) -> None:
    keys = fields(public_client.get(f"/sso/jwks/{CLIENT_ID}"), 200)["keys"]
    completed = subprocess.run(
        [needs("node"), "-e", NODE_VERIFIES],
        input=json.dumps({"token": tokens["access_token"], "keys": keys}),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    result = json.loads(completed.stdout)
    assert result == {"alg": "RS256", "good": True, "forged": False, "sub": tokens["user"]["id"]}


def test_certificate_in_the_jwks_matches_the_key(public_client: httpx.Client, tokens: Json) -> None:
    (key,) = fields(public_client.get(f"/sso/jwks/{CLIENT_ID}"), 200)["keys"]
    assert jwt.get_unverified_header(tokens["access_token"])["kid"] == key["kid"]
    der = base64.b64decode(key["x5c"][0], validate=True)
    certified = x509.load_der_x509_certificate(der).public_key()
    assert isinstance(certified, rsa.RSAPublicKey)
    numbers = certified.public_numbers()
    assert _decode_integer(key["n"]) == numbers.n
    assert _decode_integer(key["e"]) == numbers.e
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    assert key["x5t#S256"] == thumbprint


def test_concurrent_uses_of_one_code_create_one_session(server: Server, api: httpx.Client) -> None:
    user, secret = enroll(api)
    pending = begin(as_json, api, user)
    body = code_grant(pending, authenticator.code(secret, ahead=1))

    def authenticate(_: int) -> str:
        with server.client(key=None) as client:
            return str(fields(as_json(client, body), 200)["refresh_token"])

    with ThreadPoolExecutor(20) as threads:
        tokens = list(threads.map(authenticate, range(20)))
    assert len(set(tokens)) == 1
    assert len(fields(api.get(f"/user_management/users/{user['id']}/sessions"), 200)["data"]) == 1


def _decode_integer(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
