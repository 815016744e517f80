"""The grant `authorization_code`: what a code is good for, once, and for whom."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from tests.support.application import (
    KEY,
    OTHER_CLIENT,
    OTHER_KEY,
    Application,
    Json,
    claims,
    oauth_refused,
    refused,
)
from tests.support.hosted_sign_in import VERIFIER, Browser, answer_in, challenge_of, complete, list_callbacks
from tests.support.server_process import fields

GRANT = "authorization_code"
PKCE = {"code_challenge": challenge_of(), "code_challenge_method": "S256"}
MINUTE = 60


@pytest.fixture
async def browser(application: Application) -> Browser:
    await list_callbacks(application)
    return Browser(application)


@pytest.fixture
async def user(application: Application) -> Json:
    return await application.user()


async def code_for(browser: Browser, user: Json, **changes: str) -> str:
    return answer_in(await browser.sign_in(user, **changes))["code"]


async def redeem(application: Application, code: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - any field
    return await application.grant(GRANT, code=code, **more)


async def test_code_gives_a_session_with_what_the_page_saw(browser: Browser, user: Json) -> None:
    application = browser.application
    browser.http.headers["user-agent"] = "Browser/1"
    code = await code_for(browser, user)
    application.clock.advance(60)
    signed_in = fields(await redeem(application, code), 200)
    assert signed_in["user"]["id"] == user["id"]
    assert signed_in["authentication_method"] == "Password"
    assert set(signed_in) == {"user", "access_token", "refresh_token", "authentication_method"}
    (session,) = await application.sessions(user)
    assert session["id"] == claims(signed_in)["sid"]
    assert (session["user_agent"], session["ip_address"]) == ("Browser/1", "127.0.0.1")
    assert session["auth_method"] == "password"
    assert claims(signed_in)["auth_time"] == application.clock.now // 1000 - 60


async def test_values_of_the_body_win_over_what_the_page_saw(browser: Browser, user: Json) -> None:
    code = await code_for(browser, user)
    await redeem(browser.application, code, ip_address="192.0.2.7", user_agent="Own/2")
    (session,) = await browser.application.sessions(user)
    assert (session["user_agent"], session["ip_address"]) == ("Own/2", "192.0.2.7")


@pytest.mark.parametrize("secret", [KEY, None])
async def test_verifier_redeems_the_code_of_its_challenge(
    browser: Browser, user: Json, secret: str | None
) -> None:
    code = await code_for(browser, user, **PKCE)
    signed_in = await redeem(browser.application, code, client_secret=secret, code_verifier=VERIFIER)
    assert signed_in.status_code == 200


@pytest.mark.parametrize("verifier", [None, "", VERIFIER[:-1], f"{VERIFIER}x", "é" * 43, "x" * 129])
async def test_code_with_a_challenge_needs_its_verifier_even_with_the_secret(
    browser: Browser, user: Json, verifier: str | None
) -> None:
    code = await code_for(browser, user, **PKCE)
    assert code in oauth_refused(
        await redeem(browser.application, code, code_verifier=verifier), "invalid_grant"
    )
    # An honest client is not hurt by it.
    assert (await redeem(browser.application, code, code_verifier=VERIFIER)).status_code == 200


@pytest.mark.parametrize("secret", [KEY, None])
async def test_verifier_without_a_challenge_is_refused(
    browser: Browser, user: Json, secret: str | None
) -> None:
    code = await code_for(browser, user)
    answer = await redeem(browser.application, code, client_secret=secret, code_verifier=VERIFIER)
    refused(answer, "code_challenge_not_found")


async def test_code_without_secret_and_verifier_is_refused(browser: Browser, user: Json) -> None:
    code = await code_for(browser, user)
    oauth_refused(await redeem(browser.application, code, client_secret=None), "invalid_request")


async def test_wrong_secret_is_refused_although_the_verifier_is_right(browser: Browser, user: Json) -> None:
    code = await code_for(browser, user, **PKCE)
    answer = await redeem(browser.application, code, client_secret="sk_wrong", code_verifier=VERIFIER)
    oauth_refused(answer, "invalid_client")


async def test_code_is_good_for_ten_minutes(browser: Browser, user: Json) -> None:
    code = await code_for(browser, user)
    browser.application.clock.advance(10 * MINUTE)
    oauth_refused(await redeem(browser.application, code), "invalid_grant")


async def test_unknown_code_is_refused(application: Application) -> None:
    assert oauth_refused(await redeem(application, "x"), "invalid_grant") == (
        "The code 'x' has expired or is invalid."
    )


async def test_second_use_is_refused_and_the_session_goes_on(browser: Browser, user: Json) -> None:
    code = await code_for(browser, user, **PKCE)
    await redeem(browser.application, code, code_verifier=VERIFIER)
    oauth_refused(await redeem(browser.application, code, code_verifier=VERIFIER), "invalid_grant")
    assert len(await browser.application.sessions(user)) == 1


async def test_wrong_verifier_on_a_used_code_ends_its_session(browser: Browser, user: Json) -> None:
    application = browser.application
    code = await code_for(browser, user, **PKCE)
    await redeem(application, code, code_verifier=VERIFIER)
    stolen = await redeem(application, code, code_verifier="y" * 43)
    oauth_refused(stolen, "invalid_grant")
    assert await application.sessions(user) == []
    assert len(await application.events("session.revoked")) == 1


async def test_other_client_cannot_redeem_a_code_and_ends_its_session(browser: Browser, user: Json) -> None:
    application = browser.application
    other = {"client_id": OTHER_CLIENT, "client_secret": OTHER_KEY}
    code = await code_for(browser, user)
    oauth_refused(await redeem(application, code, **other), "invalid_grant")
    assert (await redeem(application, code)).status_code == 200
    oauth_refused(await redeem(application, code, **other), "invalid_grant")
    assert await application.sessions(user) == []


async def test_fifty_at_once_get_one_session(browser: Browser, user: Json) -> None:
    application = browser.application
    code = await code_for(browser, user, **PKCE)
    answers = await asyncio.gather(
        *(redeem(application, code, code_verifier=VERIFIER, client_secret=None) for _ in range(50))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert len(await application.sessions(user)) == 1


async def test_fifty_wrong_verifiers_beside_the_right_one_leave_at_most_its_session(
    browser: Browser, user: Json
) -> None:
    application = browser.application
    code = await code_for(browser, user, **PKCE)
    verifiers = [VERIFIER, *(f"{number:043}" for number in range(49))]
    answers = await asyncio.gather(
        *(redeem(application, code, code_verifier=verifier) for verifier in verifiers)
    )
    assert [answer.status_code for answer in answers[1:]] == [400] * 49
    assert await application.count_sessions() <= 1


async def test_same_request_with_the_same_key_gets_the_same_answer(browser: Browser, user: Json) -> None:
    code = await code_for(browser, user)
    headers = {"idempotency-key": f"retry-{uuid.uuid4()}"}
    first, again = [await redeem(browser.application, code, headers=headers) for _ in range(2)]
    assert first.status_code == 200
    assert again.json() == first.json()
    assert len(await browser.application.sessions(user)) == 1


async def test_repeated_answer_is_refused_after_the_session_has_ended(browser: Browser, user: Json) -> None:
    application = browser.application
    code = await code_for(browser, user)
    headers = {"idempotency-key": "key"}
    signed_in = fields(await redeem(application, code, headers=headers), 200)
    await application.api.post(
        "/user_management/sessions/revoke", json={"session_id": claims(signed_in)["sid"]}
    )
    oauth_refused(await redeem(application, code, headers=headers), "invalid_grant")


@pytest.mark.parametrize("change", ["password", "hash", "deletion", "revocation", "factor"])
async def test_code_is_void_once_what_it_was_made_of_is_gone(
    browser: Browser, user: Json, change: str
) -> None:
    application = browser.application
    code = await code_for(browser, user)
    path = f"/user_management/users/{user['id']}"
    if change == "password":
        await application.api.put(path, json={"password": "eight yellow bottles"})
    elif change == "hash":
        # As if sessions outlived a new password, which a setting allows.
        application.sql("UPDATE users SET password_hash = 'new'")
    elif change == "deletion":
        await application.api.delete(path)
    elif change == "revocation":
        await application.af.run(lambda tx: tx.browser_sessions.end_of_user(1, user["id"], 1, ""))
    else:
        await application.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
        body = fields(await redeem(application, code), 403)
        assert body["code"] == "mfa_challenge"
    oauth_refused(await redeem(application, code), "invalid_grant")
    assert await application.count_sessions() == 0


async def test_session_of_a_confidential_client_is_refreshed_with_its_secret_alone(
    browser: Browser, user: Json
) -> None:
    application = browser.application
    code = await code_for(browser, user, **PKCE)
    tokens = fields(await redeem(application, code, code_verifier=VERIFIER), 200)
    oauth_refused(await application.refresh(tokens["refresh_token"], client_secret=None), "invalid_client")
    assert (await application.refresh(tokens["refresh_token"])).status_code == 200


async def test_session_of_a_public_client_is_refreshed_without_a_secret(browser: Browser, user: Json) -> None:
    application = browser.application
    code = await code_for(browser, user, **PKCE)
    tokens = fields(await redeem(application, code, code_verifier=VERIFIER, client_secret=None), 200)
    assert (await application.refresh(tokens["refresh_token"], client_secret=None)).status_code == 200
    wrong = await application.refresh(tokens["refresh_token"], client_secret="sk_wrong")
    oauth_refused(wrong, "invalid_client")


async def test_verifier_is_refused_with_other_grants(application: Application, user: Json) -> None:
    answer = await application.password(user, code_verifier=VERIFIER)
    assert answer.status_code == 422


async def signed_in(browser: Browser, user: Json, **changes: str) -> Json:
    return fields(await redeem(browser.application, await code_for(browser, user, **changes)), 200)


async def test_each_code_of_one_browser_gives_its_own_session(browser: Browser, user: Json) -> None:
    first = await signed_in(browser, user)
    browser.application.clock.advance(5)
    again = answer_in((await browser.authorize()).headers["location"])["code"]
    second = fields(await redeem(browser.application, again), 200)
    assert claims(second)["sid"] != claims(first)["sid"]
    assert claims(second)["auth_time"] == claims(first)["auth_time"]


@pytest.mark.parametrize("changes", [{"max_age": "1"}, {"prompt": "login"}])
async def test_user_who_is_asked_again_goes_on_in_the_same_session(
    browser: Browser, user: Json, changes: dict[str, str]
) -> None:
    application = browser.application
    first = await signed_in(browser, user)
    application.clock.advance(5)
    second = await signed_in(browser, user, **changes)
    assert claims(second)["sid"] == claims(first)["sid"]
    assert claims(second)["auth_time"] == claims(first)["auth_time"] + 5
    # Both chains go on: another application may hold the first one.
    assert (await application.refresh(first["refresh_token"])).status_code == 200
    assert (await application.refresh(second["refresh_token"])).status_code == 200
    assert len(await application.events("authentication.reauthentication_succeeded")) == 1


async def test_asked_again_after_the_session_has_ended_starts_a_new_one(browser: Browser, user: Json) -> None:
    application = browser.application
    first = await signed_in(browser, user)
    flow_id, secret = await browser.flow(prompt="login")
    application.sql("UPDATE sessions SET ended_at = 1")
    completed = await complete(application, flow_id, secret, user)
    second = fields(await redeem(application, answer_in(completed.location)["code"]), 200)
    assert claims(second)["sid"] != claims(first)["sid"]


async def test_public_client_does_not_go_on_in_a_confidential_session(browser: Browser, user: Json) -> None:
    first = await signed_in(browser, user)
    code = await code_for(browser, user, prompt="login", **PKCE)
    answer = await redeem(browser.application, code, client_secret=None, code_verifier=VERIFIER)
    assert claims(fields(answer, 200))["sid"] != claims(first)["sid"]


async def test_other_user_who_signs_in_instead_gets_another_session(browser: Browser, user: Json) -> None:
    application = browser.application
    first = await signed_in(browser, user)
    other = await application.user()
    second = await signed_in(browser, other, prompt="login")
    assert claims(second)["sub"] == other["id"]
    assert claims(second)["sid"] != claims(first)["sid"]
    assert (await application.refresh(first["refresh_token"])).status_code == 200


async def test_wrong_verifier_on_a_used_code_whose_session_has_ended_changes_nothing(
    browser: Browser, user: Json
) -> None:
    application = browser.application
    code = await code_for(browser, user, **PKCE)
    await redeem(application, code, code_verifier=VERIFIER)
    for _ in range(2):
        oauth_refused(await redeem(application, code, code_verifier="y" * 43), "invalid_grant")
    assert len(await application.events("session.revoked")) == 1
