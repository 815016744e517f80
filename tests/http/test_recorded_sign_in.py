"""Sign-in as the official SDKs send it: password, code, refresh, and the JWKS."""

from typing import Any, Final

import httpx
import jwt
import pytest

from tests.support.sdk_replay import BY_SDK, EMAIL, PASSWORD, Replay, without_key
from tests.support.server_process import Server, fields

AUTHENTICATE: Final = "/user_management/authenticate"
JWKS: Final = "/sso/jwks/client_test"
MFA_TOTP: Final = "urn:workos:oauth:grant-type:mfa-totp"
CLAIMS: Final = {"iss", "sub", "sid", "jti", "iat", "exp", "client_id"}


def recorded(sdk: str, grant: str) -> dict[str, Any] | None:
    """Return the SDK's request of a grant, or None if the SDK has none."""
    requests = (request for request in BY_SDK[sdk] if f'"{grant}"' in request["body"])
    return next((without_key(request) for request in requests if request["target"] == AUTHENTICATE), None)


def enroll(api: httpx.Client, replay: Replay) -> str:
    """Create the recordings' user with an active factor; return the factor's id."""
    body = {"email": EMAIL, "email_verified": True, "password": PASSWORD}
    user = fields(api.post("/user_management/users", json=body), 201)
    path = f"/user_management/users/{user['id']}/auth_factors"
    secret = {"type": "totp", "totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}
    created = fields(api.post(path, json=secret), 201)
    replay.remember(created)
    return str(created["factor"]["id"])


def assert_session(response: httpx.Response, keys: dict[str, Any]) -> None:
    """Check a successful sign-in, and its access token against the published keys."""
    body = fields(response, 200)
    assert body["user"]["email"] == EMAIL
    # The Python 5 SDK knows only a few methods and fails on others.
    assert body["authentication_method"] == "Password"
    assert isinstance(body["refresh_token"], str)
    key_id = jwt.get_unverified_header(body["access_token"])["kid"]
    key = jwt.PyJWK(next(key for key in keys["keys"] if key["kid"] == key_id))
    claims = jwt.decode(body["access_token"], key, algorithms=["RS256"], options={"verify_aud": False})
    assert set(claims) >= CLAIMS
    assert claims["sub"] == body["user"]["id"]


@pytest.mark.parametrize("sdk", BY_SDK)
def test_recorded_sdk_signs_in_and_refreshes(server: Server, clean_api: httpx.Client, sdk: str) -> None:
    password, code, refresh = (recorded(sdk, grant) for grant in ("password", MFA_TOTP, "refresh_token"))
    assert password is not None
    assert refresh is not None
    with server.client(key=None) as client:
        replay = Replay(client)
        factor_id = enroll(clean_api, replay)
        keys = fields(replay.send(next(item for item in BY_SDK[sdk] if item["target"] == JWKS)), 200)

        mfa_required = fields(replay.send(password), 403)
        assert mfa_required["code"] == "mfa_challenge"
        assert mfa_required["authentication_factors"] == [{"id": factor_id, "type": "totp"}]
        assert mfa_required["user"]["email"] == EMAIL
        if code is None:
            # This SDK cannot read the pending token: it can sign in only users without a factor.
            clean_api.delete(f"/auth/factors/{factor_id}")
            assert_session(replay.send(password), keys)
        else:
            challenge = clean_api.post(f"/auth/factors/{factor_id}/challenge")
            replay.remember(fields(challenge, 201))
            assert_session(replay.send(code), keys)
        assert_session(replay.send(refresh), keys)


def test_jwks_has_every_field_that_sdks_index(anonymous: httpx.Client) -> None:
    keys = fields(anonymous.get(JWKS), 200)["keys"]

    assert keys
    for key in keys:
        assert set(key) >= {"alg", "kty", "use", "kid", "n", "e", "x5c", "x5t#S256"}
        assert "d" not in key
    assert fields(anonymous.get("/sso/jwks/client_unknown"), 404)["code"] == "entity_not_found"
