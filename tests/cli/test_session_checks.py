"""`authfactor sessions check` and `links challenge --session`."""

from pathlib import Path

from authfactor import Client
from tests.cli.test_recovery_codes import SECRET, read, run
from tests.support import authenticator

TWO_STEPS = "urn:authfactor:acr:2"
PASSWORD = "seven green bottles"


def test_session_is_checked_before_and_after_a_code(tmp_path: Path) -> None:
    data = tmp_path / "data"
    user = read(data, "users", "create", "kim@example.org")["id"]
    with Client(data=data) as client:
        client.user_management.update_user(user_id=user, password=PASSWORD)
        client.user_management.authenticate_with_password(email="kim@example.org", password=PASSWORD)
        (session,) = client.user_management.list_sessions(user).data
    assert read(data, "sessions", "check", session.id, "--max-age", "300")["satisfied"] is True
    asked = ("sessions", "check", session.id, "--acr", TWO_STEPS, "--method", "otp", "--max-age", "300")
    refused = run(data, *asked)
    assert refused.returncode == 5
    assert "no: acr_too_low" in refused.stdout
    read(data, "factors", "enroll", user, "--secret", SECRET)
    link = read(data, "links", "challenge", user, "--session", session.id)
    assert link["session_id"] == session.id
    with Client(data=data) as client:
        challenge = client.user_management.challenge_session(session.id)
    code = authenticator.code(SECRET)
    assert read(data, "factors", "verify", challenge.id, code)["session"]["id"] == session.id
    shown = run(data, *asked)
    assert shown.returncode == 0, shown.stderr
    assert "pwd otp mfa" in shown.stdout
    assert run(data, "sessions", "check", session.id, "--acr", "2").returncode == 2
    assert run(data, "sessions", "check", "session_unknown").returncode == 4
