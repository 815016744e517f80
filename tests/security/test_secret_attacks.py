"""Attacks on what is kept and shown: secrets in the open, values moved, hostile names, too much of it."""

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


def test_a_secret_is_shown_once_and_nowhere_else(app: "Application") -> None:
    user, factor = app.member()
    code = factor.code()
    session = fields(app.second_step(app.pending(user), code), 200)
    app.answer(factor, factor.wrong())
    shown = [
        app.client.get(f"/auth/factors/{factor.id}").text,
        app.client.get(f"/user_management/users/{user['id']}/auth_factors").text,
        app.client.get(f"/user_management/users/{user['id']}").text,
        app.client.get("/events", params={"events": "authfactor.factor_enrolled"}).text,
        app.server.output(),
    ]
    stored = databases.stored(settings_of(app))
    raw = base64.b32decode(factor.secret)
    for secret in (factor.secret, session["refresh_token"], "seven green bottles"):
        assert all(secret not in text for text in shown)
        assert secret.encode() not in stored
    assert raw not in stored
    assert base64.b64encode(raw) not in stored
    assert raw.hex().encode() not in stored
    assert "otpauth" not in "".join(shown)


def test_a_sealed_secret_moved_to_another_row_opens_nothing(app: "Application") -> None:
    """Whoever can write to the database puts their own secret into the victim's row."""
    mine, victim = app.enroll(), app.enroll()
    settings = settings_of(app)
    ((sealed,),) = databases.sql(settings, "SELECT secret FROM factors WHERE id = ?", mine.id)
    statement = "UPDATE factors SET secret = ? WHERE id = ?"
    ((own,),) = databases.sql(settings, "SELECT secret FROM factors WHERE id = ?", victim.id)
    databases.sql(settings, statement, sealed, victim.id)
    answer = app.post(f"/auth/challenges/{victim.challenge_id}/verify", {"code": mine.code()})
    # A fault of the database, not of the request; nobody retries for long, and the log names it.
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert "cannot be unsealed" in answer.json()["message"]
    databases.sql(settings, statement, own, victim.id)
    assert app.answer(victim, victim.code())["valid"]


WEAK: Final = ["", "A", "AAAAAAAA", "=", "JBSWY3DP", "0189" * 8, "A" * 1025, "JBSWY3DPEHPK3PXé", "\0" * 32]


@pytest.mark.parametrize("secret", WEAK)
def test_a_weak_or_broken_imported_secret_is_refused(app: "Application", secret: str) -> None:
    user = app.user()
    answer = app.post(
        f"/user_management/users/{user['id']}/auth_factors", {"type": "totp", "totp_secret": secret}
    )
    assert fields(answer, 422)["code"] == "invalid_request_parameters"
    assert len(secret) < 2 or secret not in answer.text


HOSTILE: Final = ["a\r\nb", "a\u202eb", "a\0b", "\u2066a", "x" * 65]


@pytest.mark.parametrize("issuer", HOSTILE)
def test_a_hostile_issuer_is_refused(app: "Application", issuer: str) -> None:
    user = app.user()
    body = {"type": "totp", "totp_issuer": issuer, "totp_user": "kim"}
    answer = app.post(f"/user_management/users/{user['id']}/auth_factors", body)
    assert fields(answer, 422)["code"] == "invalid_request_parameters"


@pytest.mark.parametrize("issuer", ["A:B", "A%3AB", "A?secret=X", "A&issuer=B", "A#B", "A/B", "<b>A", "😀"])
def test_a_label_cannot_change_what_the_uri_says(app: "Application", issuer: str) -> None:
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


def test_a_giant_body_is_not_read(app: "Application") -> None:
    answer = app.client.post("/user_management/users", content=b'{"email":"' + b"a" * 10_000_000)
    assert fields(answer, 413)["code"] == "request_too_large"


def test_a_user_cannot_fill_the_database_with_factors(app: "Application") -> None:
    first = app.enroll()
    path = f"/user_management/users/{first.user_id}/auth_factors"
    statuses = [app.post(path, {"type": "totp"}).status_code for _ in range(12)]
    assert statuses == [201] * 9 + [422] * 3


def test_a_kept_answer_is_sealed(app: "Application") -> None:
    user, key = app.user(), os.urandom(8).hex()
    path = f"/user_management/users/{user['id']}/auth_factors"
    made = app.post(path, {"type": "totp"}, **{"idempotency-key": key})
    secret = fields(made, 201)["factor"]["totp"]["secret"]
    stored = databases.stored(settings_of(app))
    assert secret.encode() not in stored
    assert key.encode() not in stored
    assert fields(app.post(path, {"type": "totp"}, **{"idempotency-key": key}), 201) == made.json()
