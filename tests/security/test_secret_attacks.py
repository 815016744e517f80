"""Attacks on stored and displayed data: leaked secrets, moved values, hostile names, excessive sizes."""

import base64
import os
from typing import TYPE_CHECKING, Final

import pytest

from authfactor.settings import Settings
from tests.support import databases
from tests.support.server_process import fields

if TYPE_CHECKING:
    from tests.security.conftest import Application


def settings_of(app: "Application") -> Settings:
    return Settings(data=app.server.data, database_url=app.server.settings.get("AUTHFACTOR_DATABASE_URL", ""))


def test_a_secret_appears_only_in_the_enrollment_response(app: "Application") -> None:
    user, factor = app.member()
    code = factor.code()
    session = fields(app.second_step(app.pending(user), code), 200)
    app.answer(factor, factor.wrong())
    texts = [
        app.client.get(f"/auth/factors/{factor.id}").text,
        app.client.get(f"/user_management/users/{user['id']}/auth_factors").text,
        app.client.get(f"/user_management/users/{user['id']}").text,
        app.client.get("/events", params={"events": "authfactor.factor_enrolled"}).text,
        app.server.output(),
    ]
    stored = databases.stored(settings_of(app))
    raw = base64.b32decode(factor.secret)
    for secret in (factor.secret, session["refresh_token"], "seven green bottles"):
        assert all(secret not in text for text in texts)
        assert secret.encode() not in stored
    assert raw not in stored
    assert base64.b64encode(raw) not in stored
    assert raw.hex().encode() not in stored
    assert "otpauth" not in "".join(texts)


def test_an_encrypted_secret_moved_to_another_row_is_useless(app: "Application") -> None:
    """An attacker with write access to the database puts their own secret into the victim's row."""
    mine, victim = app.enroll(), app.enroll()
    settings = settings_of(app)
    ((sealed,),) = databases.sql(settings, "SELECT secret FROM factors WHERE id = ?", mine.id)
    statement = "UPDATE factors SET secret = ? WHERE id = ?"
    ((original,),) = databases.sql(settings, "SELECT secret FROM factors WHERE id = ?", victim.id)
    databases.sql(settings, statement, sealed, victim.id)
    response = app.post(f"/auth/challenges/{victim.challenge_id}/verify", {"code": mine.code()})
    # A fault of the database, not of the request, hence a 503.
    assert (response.status_code, response.json()["code"]) == (503, "service_unavailable")
    assert "cannot be unsealed" in response.json()["message"]
    databases.sql(settings, statement, original, victim.id)
    assert app.answer(victim, victim.code())["valid"]


WEAK: Final = ["", "A", "AAAAAAAA", "=", "JBSWY3DP", "0189" * 8, "A" * 1025, "JBSWY3DPEHPK3PXé", "\0" * 32]


@pytest.mark.parametrize("secret", WEAK)
def test_a_weak_or_broken_imported_secret_is_refused(app: "Application", secret: str) -> None:
    user = app.user()
    response = app.post(
        f"/user_management/users/{user['id']}/auth_factors", {"type": "totp", "totp_secret": secret}
    )
    assert fields(response, 422)["code"] == "invalid_request_parameters"
    assert len(secret) < 2 or secret not in response.text


HOSTILE: Final = ["a\r\nb", "a\u202eb", "a\0b", "\u2066a", "x" * 65]


@pytest.mark.parametrize("issuer", HOSTILE)
def test_a_hostile_issuer_is_refused(app: "Application", issuer: str) -> None:
    user = app.user()
    body = {"type": "totp", "totp_issuer": issuer, "totp_user": "kim"}
    response = app.post(f"/user_management/users/{user['id']}/auth_factors", body)
    assert fields(response, 422)["code"] == "invalid_request_parameters"


@pytest.mark.parametrize("issuer", ["A:B", "A%3AB", "A?secret=X", "A&issuer=B", "A#B", "A/B", "<b>A", "😀"])
def test_a_label_cannot_inject_uri_parameters(app: "Application", issuer: str) -> None:
    user = app.user()
    body = {"type": "totp", "totp_issuer": issuer, "totp_user": "kim?secret=EVIL&x=1"}
    totp = fields(app.post(f"/user_management/users/{user['id']}/auth_factors", body), 201)["factor"]["totp"]
    label, _, query = totp["uri"].removeprefix("otpauth://totp/").partition("?")
    assert label.count(":") == 1
    assert [pair.split("=")[0] for pair in query.split("&")] == [
        "secret",
        "issuer",
        "algorithm",
        "digits",
        "period",
    ]
    assert query.split("&")[0] == f"secret={totp['secret']}"


def test_a_body_over_the_size_limit_is_refused(app: "Application") -> None:
    response = app.client.post("/user_management/users", content=b'{"email":"' + b"a" * 10_000_000)
    assert fields(response, 413)["code"] == "request_too_large"


def test_the_number_of_factors_per_user_is_limited(app: "Application") -> None:
    first = app.enroll()
    path = f"/user_management/users/{first.user_id}/auth_factors"
    statuses = [app.post(path, {"type": "totp"}).status_code for _ in range(12)]
    assert statuses == [201] * 9 + [422] * 3


def test_a_response_stored_for_idempotency_is_encrypted(app: "Application") -> None:
    user, key = app.user(), os.urandom(8).hex()
    path = f"/user_management/users/{user['id']}/auth_factors"
    made = app.post(path, {"type": "totp"}, **{"idempotency-key": key})
    secret = fields(made, 201)["factor"]["totp"]["secret"]
    stored = databases.stored(settings_of(app))
    assert secret.encode() not in stored
    assert key.encode() not in stored
    assert fields(app.post(path, {"type": "totp"}, **{"idempotency-key": key}), 201) == made.json()
