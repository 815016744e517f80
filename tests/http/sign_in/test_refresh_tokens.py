"""Refresh tokens: each works once, a lost answer comes again for a moment, a stolen one ends the session."""

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
async def strict(database: tuple[Path, str], tmp_path: Path) -> AsyncIterator[Application]:
    async with opened(
        database[0], tmp_path, database_url=database[1], session_inactivity=3600, session_life=7 * DAY
    ) as it:
        yield it


async def test_it_rotates(application: Application) -> None:
    user = await application.user()
    tokens = await application.sign_in(user)
    seen = {tokens["refresh_token"]}
    for _ in range(3):
        application.clock.advance(400)
        fresh = fields(await application.refresh(tokens["refresh_token"]), 200)
        assert set(fresh) == {"user", "access_token", "refresh_token", "authentication_method"}
        assert fresh["authentication_method"] == "Password"
        assert fresh["user"]["id"] == user["id"]
        assert fresh["refresh_token"] not in seen
        seen.add(fresh["refresh_token"])
        tokens = fresh
    assert len(await application.sessions(user)) == 1


async def test_a_new_token_tells_of_the_same_sign_in(application: Application) -> None:
    old = claims(tokens := await application.sign_in_twice_proven(await application.member()))
    application.clock.advance(1000)
    new = claims(fields(await application.refresh(tokens["refresh_token"]), 200))
    assert set(new) == set(old)
    changed = {name for name in old if old[name] != new[name]}
    assert changed == {"iat", "exp", "jti"}
    assert new["iat"] == application.clock.now // 1000


async def test_a_public_client_needs_no_secret_and_a_wrong_one_is_refused(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    oauth_refused(
        await application.refresh(tokens["refresh_token"], client_secret="sk_wrong"), "invalid_client"
    )
    assert (await application.refresh(tokens["refresh_token"], client_secret=None)).status_code == 200


@pytest.mark.parametrize("secret", [None, OTHER_KEY])
async def test_another_environments_client_cannot_use_it(
    application: Application, secret: str | None
) -> None:
    tokens = await application.sign_in(await application.user())
    answer = await application.refresh(tokens["refresh_token"], client_id=OTHER_CLIENT, client_secret=secret)
    assert oauth_refused(answer, "invalid_grant") == INVALID
    assert (await application.refresh(tokens["refresh_token"])).status_code == 200


@pytest.mark.parametrize("seconds", [0, 29, 30])
async def test_a_lost_answer_can_be_had_again_for_thirty_seconds(
    application: Application, seconds: int
) -> None:
    tokens = await application.sign_in(await application.user())
    first = fields(await application.refresh(tokens["refresh_token"]), 200)
    application.clock.advance(seconds)
    again = fields(await application.refresh(tokens["refresh_token"]), 200)
    assert again == first
    assert (await application.refresh(first["refresh_token"])).status_code == 200


async def test_a_later_use_ends_the_session_and_its_newest_token(application: Application) -> None:
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


async def test_twenty_at_once_get_exactly_one_pair(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    answers = await asyncio.gather(*(application.refresh(tokens["refresh_token"]) for _ in range(20)))
    bodies = [fields(answer, 200) for answer in answers]
    assert len({body["refresh_token"] for body in bodies}) == 1
    assert len({body["access_token"] for body in bodies}) == 1
    rows = await application.af.read(lambda tx: tx.db.all("SELECT count(*) FROM refresh_tokens"))
    assert rows[0][0] == 2


async def test_the_kept_successor_is_sealed(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    fresh = fields(await application.refresh(tokens["refresh_token"]), 200)
    stored = application.files()
    assert fresh["refresh_token"].encode() not in stored
    assert fresh["access_token"].encode() not in stored


async def test_a_session_ends_after_its_life(strict: Application) -> None:
    user = await strict.user()
    tokens = await strict.sign_in(user)
    for _ in range(7 * 24):
        strict.clock.advance(3599)
        tokens = fields(await strict.refresh(tokens["refresh_token"]), 200)
    strict.clock.advance(7 * 24)
    assert oauth_refused(await strict.refresh(tokens["refresh_token"]), "invalid_grant") == INVALID
    assert await strict.sessions(user) == []


@pytest.mark.parametrize(("seconds", "status"), [(3599.999, 200), (3600, 400)])
async def test_a_session_ends_when_it_is_not_used(strict: Application, seconds: float, status: int) -> None:
    tokens = await strict.sign_in(await strict.user())
    strict.clock.advance(1800)
    tokens = fields(await strict.refresh(tokens["refresh_token"]), 200)
    strict.clock.advance(seconds)
    assert (await strict.refresh(tokens["refresh_token"])).status_code == status


async def test_a_session_lasts_a_year_without_use_by_default(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    application.clock.advance(365 * DAY - 1)
    fresh = fields(await application.refresh(tokens["refresh_token"]), 200)
    application.clock.advance(1)
    assert oauth_refused(await application.refresh(fresh["refresh_token"]), "invalid_grant") == INVALID


async def test_a_deleted_users_token_is_refused(application: Application) -> None:
    user = await application.user()
    tokens = await application.sign_in(user)
    assert (await application.api.delete(f"/user_management/users/{user['id']}")).status_code == 200
    assert oauth_refused(await application.refresh(tokens["refresh_token"]), "invalid_grant") == INVALID


async def test_a_revoked_sessions_token_is_refused(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    answer = await application.api.post(
        "/user_management/sessions/revoke", json={"session_id": claims(tokens)["sid"]}
    )
    assert answer.status_code == 200
    assert oauth_refused(await application.refresh(tokens["refresh_token"]), "invalid_grant") == INVALID


async def test_a_revoked_sessions_lost_answer_cannot_be_had_again(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    fields(await application.refresh(tokens["refresh_token"]), 200)
    await application.api.post("/user_management/sessions/revoke", json={"session_id": claims(tokens)["sid"]})
    assert oauth_refused(await application.refresh(tokens["refresh_token"]), "invalid_grant") == INVALID


async def test_without_its_factor_a_session_is_vouched_for_by_the_password_alone(
    application: Application,
) -> None:
    user = await application.member()
    tokens = await application.sign_in_twice_proven(user)
    fresh = fields(await application.refresh(tokens["refresh_token"]), 200)
    assert claims(fresh)["amr"] == ["pwd", "otp", "mfa"]
    await _remove_factors(application, user)
    application.clock.advance(60)
    weaker = claims(fields(await application.refresh(fresh["refresh_token"]), 200))
    assert weaker["amr"] == ["pwd"]
    assert weaker["acr"] == "urn:authfactor:acr:1"
    assert "mfa_at" not in weaker


async def test_a_factor_enrolled_later_does_not_vouch_for_an_older_session(application: Application) -> None:
    user = await application.user()
    tokens = await application.sign_in(user)
    await application.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    assert claims(fields(await application.refresh(tokens["refresh_token"]), 200))["amr"] == ["pwd"]


async def test_a_form_refreshes_too(application: Application) -> None:
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
