"""Refresh tokens: single use, a short grace period for lost responses, and revocation on reuse."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.application import (
    KEY,
    OTHER_CLIENT,
    OTHER_KEY,
    Application,
    Json,
    claims,
    oauth_refused,
    opened,
)
from tests.support.clock import DAY
from tests.support.server_process import fields

INVALID = "Invalid refresh token."
EXCHANGED = "Refresh token already exchanged."


@pytest.fixture
async def short_lived(database: tuple[Path, str], tmp_path: Path) -> AsyncIterator[Application]:
    async with opened(
        database[0], tmp_path, database_url=database[1], session_inactivity=3600, session_life=7 * DAY
    ) as opened_application:
        yield opened_application


async def test_refresh_rotates_the_token(application: Application) -> None:
    user = await application.user()
    tokens = await application.sign_in(user)
    seen = {tokens["refresh_token"]}
    for _ in range(3):
        application.clock.advance(400)
        refreshed = fields(await application.refresh(tokens["refresh_token"]), 200)
        assert set(refreshed) == {"user", "access_token", "refresh_token", "authentication_method"}
        assert refreshed["authentication_method"] == "Password"
        assert refreshed["user"]["id"] == user["id"]
        assert refreshed["refresh_token"] not in seen
        seen.add(refreshed["refresh_token"])
        tokens = refreshed
    assert len(await application.sessions(user)) == 1


async def test_refreshed_access_token_keeps_the_sign_in_claims(application: Application) -> None:
    old = claims(tokens := await application.sign_in_twice_proven(await application.member()))
    application.clock.advance(1000)
    new = claims(fields(await application.refresh(tokens["refresh_token"]), 200))
    assert set(new) == set(old)
    changed = {name for name in old if old[name] != new[name]}
    assert changed == {"iat", "exp", "jti"}
    assert new["iat"] == application.clock.now // 1000


async def test_client_secret_is_optional_but_verified(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    oauth_refused(
        await application.refresh(tokens["refresh_token"], client_secret="sk_wrong"), "invalid_client"
    )
    assert (await application.refresh(tokens["refresh_token"], client_secret=None)).status_code == 200


@pytest.mark.parametrize("secret", [None, OTHER_KEY])
async def test_refresh_token_of_another_environment_is_refused(
    application: Application, secret: str | None
) -> None:
    tokens = await application.sign_in(await application.user())
    response = await application.refresh(
        tokens["refresh_token"], client_id=OTHER_CLIENT, client_secret=secret
    )
    assert oauth_refused(response, "invalid_grant") == INVALID
    assert (await application.refresh(tokens["refresh_token"])).status_code == 200


@pytest.mark.parametrize("seconds", [0, 29, 30])
async def test_exchanged_token_returns_the_same_pair_for_thirty_seconds(
    application: Application, seconds: int
) -> None:
    tokens = await application.sign_in(await application.user())
    first = fields(await application.refresh(tokens["refresh_token"]), 200)
    application.clock.advance(seconds)
    repeated = fields(await application.refresh(tokens["refresh_token"]), 200)
    assert repeated == first
    assert (await application.refresh(first["refresh_token"])).status_code == 200


async def test_later_reuse_of_an_exchanged_token_revokes_the_session(application: Application) -> None:
    user = await application.user()
    other = await application.sign_in(user)
    tokens = await application.sign_in(user)
    newest = fields(await application.refresh(tokens["refresh_token"]), 200)
    application.clock.advance(30.001)
    newest = fields(await application.refresh(newest["refresh_token"]), 200)
    assert oauth_refused(await application.refresh(tokens["refresh_token"]), "invalid_grant") == EXCHANGED
    assert oauth_refused(await application.refresh(newest["refresh_token"]), "invalid_grant") == INVALID
    assert oauth_refused(await application.refresh(tokens["refresh_token"]), "invalid_grant") == INVALID
    assert [session["id"] for session in await application.sessions(user)] == [claims(other)["sid"]]
    ended = await application.events("session.revoked")
    assert [event["data"]["id"] for event in ended] == [claims(tokens)["sid"]]
    assert (await application.refresh(other["refresh_token"])).status_code == 200


async def test_concurrent_refreshes_return_one_token_pair(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    responses = await asyncio.gather(*(application.refresh(tokens["refresh_token"]) for _ in range(20)))
    bodies = [fields(response, 200) for response in responses]
    assert len({body["refresh_token"] for body in bodies}) == 1
    assert len({body["access_token"] for body in bodies}) == 1
    rows = await application.af.read(lambda tx: tx.db.all("SELECT count(*) FROM refresh_tokens"))
    assert rows[0][0] == 2


async def test_stored_successor_token_is_sealed(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    refreshed = fields(await application.refresh(tokens["refresh_token"]), 200)
    stored = application.files()
    assert refreshed["refresh_token"].encode() not in stored
    assert refreshed["access_token"].encode() not in stored


async def test_session_expires_after_its_lifetime_despite_use(short_lived: Application) -> None:
    user = await short_lived.user()
    tokens = await short_lived.sign_in(user)
    for _ in range(7 * 24):
        short_lived.clock.advance(3599)
        tokens = fields(await short_lived.refresh(tokens["refresh_token"]), 200)
    short_lived.clock.advance(7 * 24)
    assert oauth_refused(await short_lived.refresh(tokens["refresh_token"]), "invalid_grant") == INVALID
    assert await short_lived.sessions(user) == []


@pytest.mark.parametrize(("seconds", "status"), [(3599.999, 200), (3600, 400)])
async def test_inactive_session_expires(short_lived: Application, seconds: float, status: int) -> None:
    tokens = await short_lived.sign_in(await short_lived.user())
    short_lived.clock.advance(1800)
    tokens = fields(await short_lived.refresh(tokens["refresh_token"]), 200)
    short_lived.clock.advance(seconds)
    assert (await short_lived.refresh(tokens["refresh_token"])).status_code == status


async def test_inactive_session_expires_after_a_year_by_default(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    application.clock.advance(365 * DAY - 1)
    refreshed = fields(await application.refresh(tokens["refresh_token"]), 200)
    application.clock.advance(1)
    assert oauth_refused(await application.refresh(refreshed["refresh_token"]), "invalid_grant") == INVALID


async def test_deleted_users_token_is_refused(application: Application) -> None:
    user = await application.user()
    tokens = await application.sign_in(user)
    assert (await application.api.delete(f"/user_management/users/{user['id']}")).status_code == 200
    assert oauth_refused(await application.refresh(tokens["refresh_token"]), "invalid_grant") == INVALID


async def test_revoked_sessions_token_is_refused(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    response = await application.api.post(
        "/user_management/sessions/revoke", json={"session_id": claims(tokens)["sid"]}
    )
    assert response.status_code == 200
    assert oauth_refused(await application.refresh(tokens["refresh_token"]), "invalid_grant") == INVALID


async def test_revoked_sessions_exchanged_token_is_refused(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    fields(await application.refresh(tokens["refresh_token"]), 200)
    await application.api.post("/user_management/sessions/revoke", json={"session_id": claims(tokens)["sid"]})
    assert oauth_refused(await application.refresh(tokens["refresh_token"]), "invalid_grant") == INVALID


async def test_deleting_the_factor_downgrades_the_session_to_password_only(
    application: Application,
) -> None:
    user = await application.member()
    tokens = await application.sign_in_twice_proven(user)
    refreshed = fields(await application.refresh(tokens["refresh_token"]), 200)
    assert claims(refreshed)["amr"] == ["pwd", "otp", "mfa"]
    await _remove_factors(application, user)
    application.clock.advance(60)
    downgraded = claims(fields(await application.refresh(refreshed["refresh_token"]), 200))
    assert downgraded["amr"] == ["pwd"]
    assert downgraded["acr"] == "urn:authfactor:acr:1"
    assert "mfa_at" not in downgraded


async def test_deleting_one_of_two_factors_leaves_the_session_as_it_was(application: Application) -> None:
    user = await application.member()
    tokens = await application.sign_in_twice_proven(user)
    other = await application.enroll(user, totp_secret="JBSWY3DPEHPK3PXP" * 3)
    path = f"/auth/factors/{other['authentication_factor']['id']}"
    assert (await application.api.delete(path)).status_code == 204
    assert claims(fields(await application.refresh(tokens["refresh_token"]), 200))["amr"] == [
        *("pwd", "otp", "mfa")
    ]


async def test_factor_enrolled_later_does_not_upgrade_an_older_session(application: Application) -> None:
    user = await application.user()
    tokens = await application.sign_in(user)
    await application.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    assert claims(fields(await application.refresh(tokens["refresh_token"]), 200))["amr"] == ["pwd"]


async def test_refresh_accepts_a_form_body(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    form = {
        "grant_type": "refresh_token",
        "client_id": "client_one",
        "client_secret": KEY,
        "refresh_token": tokens["refresh_token"],
    }
    assert "access_token" in fields(
        await application.api.post("/user_management/authenticate", data=form), 200
    )


async def _remove_factors(application: Application, user: Json) -> None:
    listed = fields(await application.api.get(f"/user_management/users/{user['id']}/auth_factors"), 200)
    for factor in listed["data"]:
        assert (await application.api.delete(f"/auth/factors/{factor['id']}")).status_code == 204
