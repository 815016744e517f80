"""The server for applications' tests: real, movable in time, and its codes are accepted."""

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


def test_public_names_stay(authfactor_server: AuthfactorServer) -> None:
    """These are a promise: names may be added here, none may be taken away or changed."""

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
    with pytest.raises(AttributeError, match="no attribute 'server_of_dreams'"):
        testing.server_of_dreams  # noqa: B018 - the access is the point


def test_it_is_a_real_server_on_a_real_port(authfactor_server: AuthfactorServer) -> None:
    with urllib.request.urlopen(f"{authfactor_server.base_url}/readyz") as answer:
        assert json.load(answer)["status"] == "ready"
    assert authfactor_server.credentials.variables == {
        "WORKOS_BASE_URL": authfactor_server.base_url,
        "WORKOS_API_KEY": authfactor_server.api_key,
        "WORKOS_CLIENT_ID": authfactor_server.client_id,
    }


def test_a_code_is_found_by_whatever_leads_to_the_secret(
    authfactor_server: AuthfactorServer, authfactor_client: Client
) -> None:
    user = authfactor_client.user_management.create_user(email="kim@example.org")
    made = authfactor_client.user_management.enroll_auth_factor(user_id=user.id)
    factor = made.authentication_factor
    authfactor_server.clock.freeze()
    ways: list[object] = [
        made,
        factor,
        made.to_dict(),
        {"factor": made.to_dict()["authentication_factor"]},
        SimpleNamespace(authenticationFactor=factor),
        factor.totp.secret,
        factor.id,
        authfactor_client.mfa.get_factor(factor.id),
    ]
    codes = {authfactor_server.code_for(way) for way in ways}

    assert len(codes) == 1
    assert authfactor_client.mfa.verify_challenge(made.authentication_challenge.id, codes.pop()).valid
    challenge = authfactor_client.mfa.challenge_factor(factor.id)
    wrong = authfactor_server.wrong_code_for(made)
    assert authfactor_client.mfa.verify_challenge(challenge.id, wrong).reason == "code_mismatch"
    next_code = authfactor_server.code_for(made, ahead=1)
    assert authfactor_client.mfa.verify_challenge(challenge.id, next_code).valid
    with pytest.raises(TypeError, match="not object"):
        authfactor_server.code_for(object())
    with pytest.raises(errors.NotFound):
        authfactor_server.code_for("auth_factor_01HZZZZZZZZZZZZZZZZZZZZZZZ")


def test_the_clock_moves_the_server_and_the_codes(
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


def test_environments_know_nothing_of_each_other(authfactor_server: AuthfactorServer) -> None:
    strict = authfactor_server.new_environment(mfa_policy="required")
    with authfactor_server.client() as first, authfactor_server.client(strict) as second:
        user = second.user_management.create_user(email="sam@example.org", password=PASSWORD)
        with pytest.raises(NotFoundError):
            first.user_management.get_user(user.id)
        with pytest.raises(MfaEnrollmentError) as needed:
            second.user_management.authenticate_with_password(email=user.email, password=PASSWORD)
        made = second.user_management.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
        signed_in = second.user_management.authenticate_with_totp(
            code=authfactor_server.code_for(made.authentication_factor.id),
            pending_authentication_token=needed.value.pending_authentication_token,
            authentication_challenge_id=made.authentication_challenge.id,
        )
        assert signed_in.user.id == user.id


def test_a_server_leaves_nothing_behind_and_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
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
        serving(database_url="postgresql://nobody@127.0.0.1:1/nothing"),
    ):
        pass


def test_no_thread_of_a_server_goes_on() -> None:
    """In a process of its own, where no other server starts threads meanwhile."""
    program = (
        "import threading\n"
        "from authfactor.testing import serving\n"
        "for _ in range(2):\n"
        "    with serving() as server, server.client() as client:\n"
        "        client.mfa.enroll_factor(totp_issuer='Acme', totp_user='kim')\n"
        "    print([thread.name for thread in threading.enumerate()])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['MainThread']"] * 2
