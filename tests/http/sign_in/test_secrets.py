"""Passwords, codes, secrets and tokens are in no log line and in no event."""

from pathlib import Path

import httpx

from tests.support import authenticator
from tests.support.application import AUTHENTICATE, MFA_TOTP
from tests.support.server_process import API_KEY, CLIENT_ID, fields, running

PASSWORD = "twelve yellow submarines"
WRONG = "thirteen yellow submarines"
EVENTS = (
    *("user.created", "user.updated", "user.deleted", "session.created", "session.revoked"),
    *("authentication.password_succeeded", "authentication.password_failed"),
    *("authentication.mfa_succeeded", "authentication.mfa_failed"),
    *("authfactor.factor_enrolled", "authfactor.factor_activated", "authfactor.factor_deleted"),
    *("authfactor.replay_refused", "authfactor.user_locked"),
)


def test_sign_in_secrets_are_in_no_log_line_or_event(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.client() as api:

        def grant(grant_type: str, **body: str) -> httpx.Response:
            client = {"client_id": CLIENT_ID, "client_secret": API_KEY}
            return api.post(AUTHENTICATE, json={"grant_type": grant_type, **client, **body})

        account = {"email": "kim@example.org", "password": PASSWORD}
        user = fields(api.post("/user_management/users", json=account), 201)
        path = f"/user_management/users/{user['id']}/auth_factors"
        enrolled = fields(api.post(path, json={"type": "totp"}), 201)
        secret = enrolled["factor"]["totp"]["secret"]
        first, second = authenticator.code(secret), authenticator.code(secret, ahead=1)
        verify = f"/auth/challenges/{enrolled['challenge']['id']}/verify"
        assert fields(api.post(verify, json={"code": first}), 201)["valid"] is True

        grant("password", email="kim@example.org", password=WRONG)
        grant("password", email="unknown@example.org", password=WRONG)
        pending = fields(grant("password", email="kim@example.org", password=PASSWORD), 403)
        pending_fields = {
            "pending_authentication_token": pending["pending_authentication_token"],
            "authentication_challenge_id": pending["authentication_challenge"]["id"],
        }
        wrong = authenticator.wrong_code(secret)
        for code in (wrong, first):
            assert grant(MFA_TOTP, code=code, **pending_fields).status_code == 400
        tokens = fields(grant(MFA_TOTP, code=second, **pending_fields), 200)
        assert fields(grant(MFA_TOTP, code=second, **pending_fields), 200) == tokens
        assert grant(MFA_TOTP, code=wrong, **pending_fields).status_code == 400
        refreshed = fields(grant("refresh_token", refresh_token=tokens["refresh_token"]), 200)
        api.post(AUTHENTICATE, content=b'{"password":"' + PASSWORD.encode() + b'",')
        api.post(AUTHENTICATE, json={"grant_type": [secret], "password": {PASSWORD: 1}, "code": 5})

        listed = api.get("/events", params={"events": ",".join(EVENTS), "limit": 100})
        assert len(fields(listed, 200)["data"]) > 8
        output, events = server.output(), listed.text

    # The API key is not among them: the server prints a given key when it creates the first environment.
    secrets = {PASSWORD, WRONG, secret, pending_fields["pending_authentication_token"]}
    for pair in (tokens, refreshed):
        secrets |= {pair["access_token"], pair["refresh_token"]}
    for text in secrets:
        assert text not in output
        assert text not in events
    for code in (first, second, wrong):
        assert f'"{code}"' not in events
        assert code not in output
