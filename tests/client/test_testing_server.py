"""`authfactor.testing`: a real server for applications' tests, with a movable clock and valid codes."""

import json
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from authfactor import errors, testing
from authfactor.client import Client, MfaEnrollmentError, NotFoundError, UnprocessableEntityError
from authfactor.settings import InvalidSetting
from authfactor.testing import AuthfactorServer, serving
from tests.client.conftest import PASSWORD, SECRET


def test_public_names_of_the_testing_package_are_unchanged(authfactor_server: AuthfactorServer) -> None:
    """The public API is stable: names may be added here, but not removed or renamed."""

    def names(thing: object) -> set[str]:
        return {name for name in dir(thing) if not name.startswith("_")}

    assert set(testing.__all__) == {"AuthfactorServer", "Clock", "Credentials", "serving"}
    assert names(authfactor_server) == {
        "api_key",
        "base_url",
        "client",
        "client_id",
        "clock",
        "code_for",
        "credentials",
        "new_environment",
        "wrong_code_for",
    }
    assert names(authfactor_server.clock) == {"advance", "freeze", "move_to", "now", "reset"}
    assert names(authfactor_server.credentials) == {"api_key", "base_url", "client_id", "variables"}
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        testing.no_such_name  # noqa: B018 - the access is the point


def test_server_listens_on_its_url_and_exports_credentials(authfactor_server: AuthfactorServer) -> None:
    with urllib.request.urlopen(f"{authfactor_server.base_url}/readyz") as response:
        assert json.load(response)["status"] == "ready"
    assert authfactor_server.credentials.variables == {
        "WORKOS_BASE_URL": authfactor_server.base_url,
        "WORKOS_API_KEY": authfactor_server.api_key,
        "WORKOS_CLIENT_ID": authfactor_server.client_id,
    }


def test_code_for_accepts_every_form_of_a_factor(
    authfactor_server: AuthfactorServer, authfactor_client: Client
) -> None:
    user = authfactor_client.user_management.create_user(email="kim@example.org")
    enrolled = authfactor_client.user_management.enroll_auth_factor(user_id=user.id)
    factor = enrolled.authentication_factor
    authfactor_server.clock.freeze()
    factor_forms: list[object] = [
        enrolled,
        factor,
        enrolled.to_dict(),
        {"factor": enrolled.to_dict()["authentication_factor"]},
        SimpleNamespace(authenticationFactor=factor),
        factor.totp.secret,
        factor.id,
        authfactor_client.mfa.get_factor(factor.id),
    ]
    codes = {authfactor_server.code_for(form) for form in factor_forms}

    assert len(codes) == 1
    assert authfactor_client.mfa.verify_challenge(enrolled.authentication_challenge.id, codes.pop()).valid
    challenge = authfactor_client.mfa.challenge_factor(factor.id)
    wrong = authfactor_server.wrong_code_for(enrolled)
    assert authfactor_client.mfa.verify_challenge(challenge.id, wrong).reason == "code_mismatch"
    next_code = authfactor_server.code_for(enrolled, ahead=1)
    assert authfactor_client.mfa.verify_challenge(challenge.id, next_code).valid
    with pytest.raises(TypeError, match="not object"):
        authfactor_server.code_for(object())
    with pytest.raises(errors.NotFound):
        authfactor_server.code_for("auth_factor_01HZZZZZZZZZZZZZZZZZZZZZZZ")


def test_moving_the_clock_moves_server_time_and_codes(
    authfactor_server: AuthfactorServer, authfactor_client: Client
) -> None:
    factor = authfactor_client.mfa.enroll_factor(totp_issuer="Acme", totp_user="kim")
    challenge = authfactor_client.mfa.challenge_factor(factor.id)
    clock = authfactor_server.clock
    before = authfactor_server.code_for(factor)
    clock.advance(30)
    assert authfactor_server.code_for(factor) != before
    clock.advance(10 * 60)
    with pytest.raises(UnprocessableEntityError) as expired:
        authfactor_client.mfa.verify_challenge(challenge.id, authfactor_server.code_for(factor))
    assert expired.value.code == "authentication_challenge_expired"

    clock.move_to(datetime(2031, 1, 1, tzinfo=UTC))
    clock.freeze()
    later = authfactor_client.mfa.challenge_factor(factor.id)
    assert timedelta(0) <= later.created_at - datetime(2031, 1, 1, tzinfo=UTC) < timedelta(seconds=30)
    assert later.created_at == authfactor_client.mfa.challenge_factor(factor.id).created_at
    assert clock.now() == later.created_at
    with pytest.raises(ValueError, match="time zone"):
        clock.move_to(datetime(2031, 1, 1))  # noqa: DTZ001 - the point
    clock.reset()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_new_environments_are_isolated(authfactor_server: AuthfactorServer) -> None:
    strict = authfactor_server.new_environment(mfa_policy="required")
    with authfactor_server.client() as first, authfactor_server.client(strict) as second:
        user = second.user_management.create_user(email="sam@example.org", password=PASSWORD)
        with pytest.raises(NotFoundError):
            first.user_management.get_user(user.id)
        with pytest.raises(MfaEnrollmentError) as enrollment_error:
            second.user_management.authenticate_with_password(email=user.email, password=PASSWORD)
        enrolled = second.user_management.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
        signed_in = second.user_management.authenticate_with_totp(
            code=authfactor_server.code_for(enrolled.authentication_factor.id),
            pending_authentication_token=enrollment_error.value.pending_authentication_token,
            authentication_challenge_id=enrolled.authentication_challenge.id,
        )
        assert signed_in.user.id == user.id


def test_stopped_server_deletes_its_data_and_bad_settings_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHFACTOR_CHALLENGE_LIFE", "77")
    with serving(challenge_life=60) as server, server.client() as client:
        factor = client.mfa.enroll_factor(totp_issuer="Acme", totp_user="kim")
        challenge = client.mfa.challenge_factor(factor.id)
        assert challenge.expires_at == challenge.created_at + timedelta(seconds=60)
        data = server._af.settings.data
        assert data.exists()

    assert not data.exists()
    with pytest.raises(InvalidSetting, match="WINDOW"), serving(window=5):
        pass
    with (
        pytest.raises(errors.AuthfactorError, match="does not respond"),
        serving(database_url="postgresql://user@127.0.0.1:1/nothing"),
    ):
        pass


def test_stopped_server_leaves_no_thread() -> None:
    """Run in a separate process, where no other server starts threads."""
    program = (
        "import threading\n"
        "from authfactor.testing import serving\n"
        "for _ in range(2):\n"
        "    with serving() as server, server.client() as client:\n"
        "        client.mfa.enroll_factor(totp_issuer='Acme', totp_user='kim')\n"
        "    print([thread.name for thread in threading.enumerate()])\n"
    )
    completed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert completed.stdout.splitlines() == ["['MainThread']"] * 2
