"""Attacks on sign-in: skipping the second step, using another user's, guessing passwords."""

import uuid
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from tests.security.test_code_attacks import send_concurrently
from tests.support.server_process import API_KEY, CLIENT_ID, command_line, fields

if TYPE_CHECKING:
    from tests.security.conftest import Application

AUTHENTICATE = "/user_management/authenticate"


def test_an_unconfirmed_factor_cannot_replace_the_active_one(app: "Application") -> None:
    user, _ = app.member()
    pending = app.pending(user)
    new_factor = app.enroll(user["id"])
    response = app.second_step(
        pending, new_factor.code(), authentication_challenge_id=new_factor.challenge_id
    )
    assert fields(response, 400)["code"] == "invalid_one_time_code"


def test_an_unconfirmed_factor_does_not_affect_sign_in(app: "Application") -> None:
    user = app.user(password="seven green bottles")
    app.enroll(user["id"])
    session = fields(app.password(user["email"]), 200)
    assert "mfa" not in jwt.decode(session["access_token"], options={"verify_signature": False})["amr"]


def test_another_users_challenge_is_refused_at_sign_in(app: "Application") -> None:
    user, _ = app.member()
    _, theirs = app.member()
    response = app.second_step(
        app.pending(user), theirs.code(), authentication_challenge_id=app.challenge(theirs)
    )
    assert fields(response, 400)["code"] == "user_mismatch"
    assert "authentication.mfa_failed" in {event["event"] for event in _events(app, user["id"])}


def test_a_pending_token_works_once_and_only_as_such(app: "Application") -> None:
    user, factor = app.member()
    pending = app.pending(user)
    token = pending["pending_authentication_token"]
    session = fields(app.second_step(pending, factor.code()), 200)
    repeated = app.second_step(pending, factor.code(1), authentication_challenge_id=app.challenge(factor))
    assert fields(repeated, 400)["code"] == "invalid_pending_authentication_token"
    assert fields(app.grant("refresh_token", refresh_token=token), 400)["error"] == "invalid_grant"
    swapped = {**pending, "pending_authentication_token": session["refresh_token"]}
    refused = app.second_step(swapped, factor.code(1), authentication_challenge_id=app.challenge(factor))
    assert fields(refused, 400)["code"] == "invalid_pending_authentication_token"


def test_a_password_change_invalidates_pending_tokens(app: "Application") -> None:
    user, factor = app.member()
    pending = app.pending(user)
    change = {"password": "eight brown bottles"}
    fields(app.client.put(f"/user_management/users/{user['id']}", json=change), 200)
    refused = app.second_step(pending, factor.code())
    assert fields(refused, 400)["code"] == "invalid_pending_authentication_token"


def test_concurrent_uses_of_a_pending_token_sign_in_once(app: "Application") -> None:
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
    bodies = send_concurrently(app, lambda client, _: client.post(AUTHENTICATE, json=body))
    assert len({grant_response["refresh_token"] for grant_response in bodies}) == 1
    listed = fields(app.client.get(f"/user_management/users/{user['id']}/sessions"), 200)
    assert len(listed["data"]) == 1


def test_a_lost_sign_in_is_repeated_only_to_the_same_request(app: "Application") -> None:
    user, factor = app.member()
    pending, code = app.pending(user), factor.code()
    session = fields(app.second_step(pending, code), 200)
    assert fields(app.second_step(pending, code), 200) == session
    # Who saw the code has another pending token; who stole the token has no code.
    assert app.second_step(app.pending(user), code).status_code == 400
    stolen = app.second_step(app.pending(user), code, authentication_challenge_id=_challenge_of(pending))
    assert stolen.status_code == 400
    assert fields(app.second_step(pending, code), 200) == session
    guesses = send_concurrently(app, lambda *_: app.second_step(pending, factor.wrong()))
    assert {guess["code"] for guess in guesses} == {"invalid_pending_authentication_token"}
    assert app.second_step(pending, code).status_code == 400


def test_a_repeated_sign_in_dies_with_its_session(app: "Application") -> None:
    user, factor = app.member()
    pending, code = app.pending(user), factor.code()
    fields(app.second_step(pending, code), 200)
    listed = fields(app.client.get(f"/user_management/users/{user['id']}/sessions"), 200)
    app.post("/user_management/sessions/revoke", {"session_id": listed["data"][0]["id"]})
    assert app.second_step(pending, code).status_code == 400


def _challenge_of(pending: dict[str, Any]) -> str:
    return str(pending["authentication_challenge"]["id"])


def test_a_password_alone_does_not_create_a_session(app: "Application") -> None:
    user, _ = app.member()
    pending = app.pending(user)
    assert not {"access_token", "refresh_token", "user_id"} & set(pending)
    token = pending["pending_authentication_token"]
    listed = fields(app.client.get(f"/user_management/users/{user['id']}/sessions"), 200)
    assert listed["data"] == []
    assert app.client.get("/user_management/users", headers={"authorization": f"Bearer {token}"}).is_error
    repeated = app.grant(
        "password", email=user["email"], password="seven green bottles", mfa="false", amr="mfa"
    )
    assert fields(repeated, 403)["code"] == "mfa_challenge"


def test_amr_loses_mfa_when_the_factor_is_deleted(app: "Application") -> None:
    user, factor = app.member()
    session = fields(app.second_step(app.pending(user), factor.code()), 200)
    assert "mfa" in _claims(session)["amr"]
    assert app.client.delete(f"/auth/factors/{factor.id}").status_code == 204
    renewed = fields(app.grant("refresh_token", refresh_token=session["refresh_token"]), 200)
    assert "mfa" not in _claims(renewed)["amr"]


def test_unknown_emails_are_refused_like_wrong_passwords(app: "Application") -> None:
    user = app.user(password="seven green bottles")
    unknown = f"{uuid.uuid4().hex}@example.org"
    for email in (user["email"], unknown):
        refused = fields(app.password(email, "not this one"), 400)
        assert refused == {
            "code": "invalid_credentials",
            "message": f"Invalid credentials for '{email}'.",
        }


def test_password_guesses_from_one_ip_address_are_limited(app: "Application") -> None:
    user = app.user(password="seven green bottles")
    for email in (user["email"], f"{uuid.uuid4().hex}@example.org"):
        codes = [
            fields(app.password(email, "not this one", ip_address="198.51.100.7"), 400)["code"]
            for _ in range(12)
        ]
        assert codes == ["invalid_credentials"] * 10 + ["too_many_password_attempts"] * 2
    right = fields(app.password(user["email"], ip_address="198.51.100.7"), 400)
    assert right["code"] == "too_many_password_attempts"


def test_concurrent_password_guesses_are_limited(app: "Application") -> None:
    """Of concurrent guesses, at most ten responses reveal whether the password was right."""
    user = app.user(password="seven green bottles")
    body = {
        "client_id": CLIENT_ID,
        "client_secret": API_KEY,
        "grant_type": "password",
        "email": user["email"],
        "ip_address": "198.51.100.8",
    }
    bodies = send_concurrently(
        app, lambda client, number: client.post(AUTHENTICATE, json={**body, "password": f"wrong {number}"})
    )
    assert sum(refusal["code"] == "invalid_credentials" for refusal in bodies) == 10


def test_wrong_passwords_of_a_stranger_do_not_lock_the_owner_out(app: "Application") -> None:
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
def test_other_spellings_of_email_and_ip_address_share_a_limit(app: "Application", spelling: str) -> None:
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


def test_another_spelling_of_a_domain_is_no_new_limit(app: "Application") -> None:
    name = uuid.uuid4().hex
    app.user(email=f"{name}@faß.de", password="seven green bottles")
    spellings = (f"{name}@faß.de", f"{name}@xn--fa-hia.de", f"{name.upper()}@FAß.DE")
    for emails in (spellings, [f"unknown-{each}" for each in spellings]):
        codes = [
            fields(app.password(emails[number % 3], "not this one", ip_address="198.51.100.8"), 400)["code"]
            for number in range(11)
        ]
        assert codes.count("too_many_password_attempts") == 1


def test_an_address_that_looks_alike_is_another_user(app: "Application") -> None:
    """Case folding makes `ss` of `ß`, `s` of the long s, and `fi` of the ligature."""
    name = uuid.uuid4().hex
    for victim, attacker in (
        (f"{name}@fass.de", f"{name}@faß.de"),
        (f"s{name}@example.org", f"\u017f{name}@example.org"),
        (f"fi{name}@example.org", f"\ufb01{name}@example.org"),
        (f"ss{name}@example.org", f"ß{name}@example.org"),
    ):
        owner = app.user(email=victim, password="seven green bottles")
        assert fields(app.password(attacker), 400)["code"] == "invalid_credentials"
        own = app.user(email=attacker, password="eight green bottles")
        assert own["id"] != owner["id"]
        assert fields(app.password(victim), 200)["user"]["id"] == owner["id"]
        listed = app.client.get("/user_management/users", params={"email": attacker})
        assert [user["id"] for user in fields(listed, 200)["data"]] == [own["id"]]


def test_no_setting_bypasses_the_second_step(app: "Application") -> None:
    """No setting skips the second step, and an invented one prevents the start."""
    for name in ("AUTHFACTOR_BYPASS_CODE", "AUTHFACTOR_TEST_MODE", "AUTHFACTOR_DEBUG"):
        refused = command_line("--data", str(app.server.data / "none"), "serve", **{name: "1"})
        assert refused.returncode != 0
        assert name in refused.stderr


def test_refused_enrollments_do_not_reveal_known_users(app: "Application") -> None:
    unknown = "user_01KXM8G7H9K1M3P5R7T9V1X3Z5"
    of_unknown_user = app.post(
        f"/user_management/users/{unknown}/auth_factors", {"type": "totp", "totp_issuer": "\n"}
    )
    of_known_user = app.post(
        f"/user_management/users/{app.user()['id']}/auth_factors", {"type": "totp", "totp_issuer": "\n"}
    )
    assert (of_unknown_user.status_code, of_known_user.status_code) == (422, 422)


def _claims(session: dict[str, str]) -> dict[str, str]:
    claims: dict[str, str] = jwt.decode(session["access_token"], options={"verify_signature": False})
    return claims


def _events(app: "Application", user_id: str) -> list[dict[str, str]]:
    names = "authentication.mfa_failed"
    listed = fields(app.client.get("/events", params={"events": names, "limit": 100, "order": "desc"}), 200)
    return [event for event in listed["data"] if event["data"]["user_id"] == user_id]
