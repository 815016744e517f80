"""Attacks on signing in: skipping the second step, borrowing somebody else's, guessing passwords."""

import uuid
from typing import TYPE_CHECKING

import jwt
import pytest

from tests.security.test_code_attacks import at_once
from tests.support.server_process import API_KEY, CLIENT_ID, command_line, fields

if TYPE_CHECKING:
    from tests.security.conftest import Application

AUTHENTICATE = "/user_management/authenticate"


def test_a_factor_of_ones_own_in_place_of_the_active_one(app: "Application") -> None:
    user, _ = app.member()
    pending = app.pending(user)
    own = app.enroll(user["id"])
    answer = app.second_step(pending, own.code(), authentication_challenge_id=own.challenge_id)
    assert fields(answer, 400)["code"] == "invalid_one_time_code"


def test_a_factor_that_was_never_confirmed_neither_admits_nor_is_asked_for(app: "Application") -> None:
    user = app.user(password="seven green bottles")
    app.enroll(user["id"])
    answer = fields(app.password(user["email"]), 200)
    assert "mfa" not in jwt.decode(answer["access_token"], options={"verify_signature": False})["amr"]


def test_the_challenge_of_another_user_with_ones_own_code(app: "Application") -> None:
    user, _ = app.member()
    _, theirs = app.member()
    answer = app.second_step(
        app.pending(user), theirs.code(), authentication_challenge_id=app.challenge(theirs)
    )
    assert fields(answer, 400)["code"] == "user_mismatch"
    assert "authentication.mfa_failed" in {event["event"] for event in _events(app, user["id"])}


def test_a_pending_token_twice_and_as_something_else(app: "Application") -> None:
    user, factor = app.member()
    pending = app.pending(user)
    token = pending["pending_authentication_token"]
    session = fields(app.second_step(pending, factor.code()), 200)
    again = app.second_step(pending, factor.code(1), authentication_challenge_id=app.challenge(factor))
    assert fields(again, 400)["code"] == "invalid_pending_authentication_token"
    assert fields(app.grant("refresh_token", refresh_token=token), 400)["error"] == "invalid_grant"
    swapped = {**pending, "pending_authentication_token": session["refresh_token"]}
    refused = app.second_step(swapped, factor.code(1), authentication_challenge_id=app.challenge(factor))
    assert fields(refused, 400)["code"] == "invalid_pending_authentication_token"


def test_a_pending_token_after_the_password_was_changed(app: "Application") -> None:
    user, factor = app.member()
    pending = app.pending(user)
    change = {"password": "eight brown bottles"}
    fields(app.client.put(f"/user_management/users/{user['id']}", json=change), 200)
    refused = app.second_step(pending, factor.code())
    assert fields(refused, 400)["code"] == "invalid_pending_authentication_token"


def test_one_right_code_and_pending_token_from_many_connections_at_once(app: "Application") -> None:
    user, factor = app.member()
    pending, code = app.pending(user), factor.code()
    body = {
        "client_id": CLIENT_ID,
        "client_secret": API_KEY,
        "grant_type": "urn:workos:oauth:grant-type:mfa-totp",
        "pending_authentication_token": pending["pending_authentication_token"],
        "authentication_challenge_id": pending["authentication_challenge"]["id"],
        "code": code,
    }
    answers = at_once(app, lambda client, _: client.post(AUTHENTICATE, json=body))
    assert sum("access_token" in answer for answer in answers) == 1


def test_a_session_on_the_first_factor_alone(app: "Application") -> None:
    user, _ = app.member()
    pending = app.pending(user)
    assert not {"access_token", "refresh_token", "user_id"} & set(pending)
    token = pending["pending_authentication_token"]
    listed = fields(app.client.get(f"/user_management/users/{user['id']}/sessions"), 200)
    assert listed["data"] == []
    assert app.client.get("/user_management/users", headers={"authorization": f"Bearer {token}"}).is_error
    again = app.grant("password", email=user["email"], password="seven green bottles", mfa="false", amr="mfa")
    assert fields(again, 403)["code"] == "mfa_challenge"


def test_amr_without_a_code_and_after_the_factor_is_gone(app: "Application") -> None:
    user, factor = app.member()
    session = fields(app.second_step(app.pending(user), factor.code()), 200)
    assert "mfa" in _claims(session)["amr"]
    assert app.client.delete(f"/auth/factors/{factor.id}").status_code == 204
    renewed = fields(app.grant("refresh_token", refresh_token=session["refresh_token"]), 200)
    assert "mfa" not in _claims(renewed)["amr"]


def test_unknown_emails_sound_like_wrong_passwords(app: "Application") -> None:
    user = app.user(password="seven green bottles")
    unknown = f"{uuid.uuid4().hex}@example.org"
    for email in (user["email"], unknown):
        refused = fields(app.password(email, "not this one"), 400)
        assert refused == {
            "code": "invalid_credentials",
            "message": f"Invalid credentials for '{email}'.",
        }


def test_guessing_a_password_from_one_address_known_or_not(app: "Application") -> None:
    user = app.user(password="seven green bottles")
    for email in (user["email"], f"{uuid.uuid4().hex}@example.org"):
        codes = [
            fields(app.password(email, "not this one", ip_address="198.51.100.7"), 400)["code"]
            for _ in range(12)
        ]
        assert codes == ["invalid_credentials"] * 10 + ["too_many_password_attempts"] * 2
    right = fields(app.password(user["email"], ip_address="198.51.100.7"), 400)
    assert right["code"] == "too_many_password_attempts"


def test_guessing_a_password_at_once(app: "Application") -> None:
    """Whatever is under way together: no more than ten answers tell right from wrong."""
    user = app.user(password="seven green bottles")
    body = {
        "client_id": CLIENT_ID,
        "client_secret": API_KEY,
        "grant_type": "password",
        "email": user["email"],
        "ip_address": "198.51.100.8",
    }
    answers = at_once(
        app, lambda client, number: client.post(AUTHENTICATE, json={**body, "password": f"wrong {number}"})
    )
    assert sum(answer["code"] == "invalid_credentials" for answer in answers) == 10


def test_a_stranger_cannot_lock_the_owner_out_by_wrong_passwords(app: "Application") -> None:
    user = app.user(password="seven green bottles")
    home = "203.0.113.77"
    fields(app.password(user["email"], ip_address=home), 200)
    codes = [
        fields(app.password(user["email"], "not this one", ip_address=f"198.18.0.{number}"), 400)["code"]
        for number in range(22)
    ]
    assert codes == ["invalid_credentials"] * 20 + ["too_many_password_attempts"] * 2
    fields(app.password(user["email"], ip_address=home), 200)


@pytest.mark.parametrize("spelling", ["2001:db8:7:7::%x", "::ffff:198.51.100.%d"])
def test_another_spelling_of_an_email_or_address_is_no_new_limit(app: "Application", spelling: str) -> None:
    user = app.user(password="seven green bottles")
    emails = (user["email"], user["email"].upper(), f" {user['email']}")
    codes = [
        fields(
            app.password(
                emails[number % 3],
                "not this one",
                ip_address=spelling % (number + 1 if ":%x" in spelling else 99),
            ),
            400,
        )["code"]
        for number in range(11)
    ]
    assert codes.count("too_many_password_attempts") == 1


def test_a_mode_that_lets_anybody_in_does_not_exist(app: "Application") -> None:
    """No setting skips the second step, and a misspelt or invented one stops the start."""
    for name in ("AUTHFACTOR_BYPASS_CODE", "AUTHFACTOR_TEST_MODE", "AUTHFACTOR_DEBUG"):
        refused = command_line("--data", str(app.server.data / "none"), "serve", **{name: "1"})
        assert refused.returncode != 0
        assert name in refused.stderr


def test_users_cannot_be_told_apart_by_a_refusal_to_enroll(app: "Application") -> None:
    unknown = "user_01KXM8G7H9K1M3P5R7T9V1X3Z5"
    bad = app.post(f"/user_management/users/{unknown}/auth_factors", {"type": "totp", "totp_issuer": "\n"})
    known = app.post(
        f"/user_management/users/{app.user()['id']}/auth_factors", {"type": "totp", "totp_issuer": "\n"}
    )
    assert (bad.status_code, known.status_code) == (422, 422)


def _claims(session: dict[str, str]) -> dict[str, str]:
    claims: dict[str, str] = jwt.decode(session["access_token"], options={"verify_signature": False})
    return claims


def _events(app: "Application", user_id: str) -> list[dict[str, str]]:
    names = "authentication.mfa_failed"
    listed = fields(app.client.get("/events", params={"events": names, "limit": 100, "order": "desc"}), 200)
    return [event for event in listed["data"] if event["data"]["user_id"] == user_id]
