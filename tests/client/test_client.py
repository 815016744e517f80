"""The client object: public names, arguments, threads, forks, and program exit."""

import json
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

import authfactor
from authfactor import AsyncClient, Client, errors
from authfactor import client as client_package
from authfactor.client import NotFoundError
from tests.support.server_process import API_KEY, CLIENT_ID, Server, clean_environment

PUBLIC: Final = {
    "": "AsyncClient Client __version__",
    "client": "APIConnectionError APIError APITimeoutError AnswerUnreadableError AsyncClient AsyncPage"
    " AuthenticationChallenge AuthenticationChallengeVerificationResponse AuthenticationError"
    " AuthenticationFactorReference AuthenticationFactorTotp AuthenticationFactorTotpAndChallengeResponse"
    " AuthenticationFactorTotpExtended AuthenticationResponse AuthorizationError BadRequestError Client"
    " ClientError ConflictError ErrorItem Event HostedPageBranding HostedPageLink Jwk Jwks ListMetadata"
    " MfaChallengeError MfaCoverage MfaDeadline MfaEnrollmentError MfaPolicy MfaPolicyPreview MfaPolicyRule"
    " NotFoundError Page PolicyOutcomes RaisedSession RateLimitExceededError RecoveryCodes"
    " RecoveryCodesCreated ServerError Session SessionCheck SignatureInvalidError TooManyAttemptsError Totp"
    " TotpExtended UNSET UnprocessableEntityError User UserFactor UserMfaPolicy WebhookDelivery"
    " WebhookEndpoint verify_event MailSender Message SenderTest"
    " TrustedDevice TrustedDeviceIssued TrustedDeviceNextToken"
    " AnyAuthenticationFactor Passkey BegunPasskeySignIn PasskeyChallengeOptions BegunPasskeyRegistration"
    " EmailChange EmailChangeConfirmation EmailVerification EmailVerificationRequiredError UserIdentity"
    " FactorImport FactorImportResult FactorProfile"
    " Invitation MagicAuth PasskeySignals PasswordReset UserResponse"
    " CorsOrigin RedirectUri",
    "Client": "close events hosted_pages messages mfa mfa_policies user_management webhooks",
    "AsyncClient": "aclose events hosted_pages messages mfa mfa_policies user_management webhooks",
    "user_management": "authenticate_with_password authenticate_with_refresh_token authenticate_with_totp"
    " challenge_session check_session create_user delete_user enroll_auth_factor get_jwks get_jwks_url"
    " get_logout_url get_user get_user_by_external_id list_auth_factors list_sessions list_users"
    " reauthenticate_session revoke_session update_user authenticate_with_passkey begin_passkey_sign_in"
    " accept_invitation authenticate_with_email_verification authenticate_with_magic_auth"
    " confirm_email_change confirm_password_reset create_magic_auth create_password_reset"
    " find_invitation_by_token get_email_verification get_invitation get_magic_auth get_password_reset"
    " get_user_identities list_invitations resend_invitation revoke_invitation send_email_change"
    " send_invitation send_verification_email verify_email"
    " authenticate_with_code create_cors_origin create_redirect_uri delete_redirect_uri"
    " get_authorization_url list_cors_origins list_redirect_uris",
    "mfa": "challenge_factor create_recovery_codes delete_factor delete_recovery_codes enroll_factor"
    " get_factor get_recovery_codes import_recovery_codes list_all_factors rename_factor resync_factor"
    " verify_challenge create_trusted_device list_trusted_devices revoke_trusted_device"
    " revoke_trusted_devices rotate_trusted_device begin_passkey_registration finish_passkey_registration"
    " get_challenge get_passkey_signals import_factors",
    "messages": "delete_mail_sender get_mail_sender get_message list_messages set_mail_sender"
    " test_mail_sender",
    "mfa_policies": "get_coverage get_policy get_user_policy preview_policy reset_user_policy set_policy"
    " set_user_policy",
    "events": "list_events",
    "hosted_pages": "create_challenge_link create_enrollment_link create_factors_link get_branding"
    " get_challenge_link get_enrollment_link get_factors_link update_branding",
    "webhooks": "create_webhook_endpoint delete_webhook_endpoint list_webhook_endpoints"
    " ping_webhook_endpoint update_webhook_endpoint verify_event",
}


def names(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def run_python(source: str, *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the source in a separate interpreter and wait for it."""
    return subprocess.run(
        [sys.executable, "-W", "default", "-c", source],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        cwd=cwd,
    )


def test_public_names_of_the_client_are_unchanged() -> None:
    """The public API is stable: names may be added here, but not removed or renamed."""
    url = "http://127.0.0.1:1"
    client, async_client = Client(base_url=url, api_key="sk_x"), AsyncClient(base_url=url, api_key="sk_x")
    names_found: dict[str, set[str]] = {
        "": set(authfactor.__all__),
        "client": set(client_package.__all__),
        "Client": names(client),
        "AsyncClient": names(async_client),
    }
    for group in ("user_management", "mfa", "mfa_policies", "messages", "events", "hosted_pages", "webhooks"):
        names_found[group] = names(getattr(client, group))
        assert names(getattr(async_client, group)) == names_found[group]

    assert names_found == {place: set(text.split()) for place, text in PUBLIC.items()}
    assert set(authfactor.__all__) <= set(dir(authfactor))
    with pytest.raises(AttributeError, match="no attribute 'Clients'"):
        authfactor.Clients  # noqa: B018 - the access is the point


def test_operations_keep_their_name_and_docstring() -> None:
    method = Client(base_url="http://127.0.0.1:1", api_key="sk_x").user_management.enroll_auth_factor

    assert method.__name__ == "enroll_auth_factor"
    assert (method.__doc__ or "").startswith("Enroll a user in a new TOTP factor")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Give base_url and api_key to use a server, or database_url or data"),
        ({"base_url": "http://127.0.0.1:1"}, "base_url requires api_key"),
        ({"base_url": "auth.example.org", "api_key": "sk_x"}, "must start with http"),
        ({"base_url": "http://a", "api_key": "sk_x", "data": "x"}, "data cannot be combined with base_url"),
        ({"data": "x", "api_key": "sk_x"}, "require base_url"),
    ],
)
def test_inconsistent_constructor_arguments_are_refused(arguments: dict[str, str], message: str) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match=message):
            kind(**arguments)  # type: ignore[arg-type]  # strings only


def test_sign_in_without_a_client_id_names_the_argument(server: Server) -> None:
    with Client(base_url=server.url, api_key=API_KEY) as client:
        with pytest.raises(ValueError, match="client_id"):
            client.user_management.authenticate_with_password(email="a@example.org", password="x")
        with pytest.raises(ValueError, match="client_id"):
            client.user_management.get_jwks_url()


def test_empty_or_path_like_ids_never_reach_another_route(client: Client) -> None:
    with pytest.raises(ValueError, match="an id is empty"):
        client.user_management.delete_user("")
    with pytest.raises(NotFoundError):
        client.user_management.get_user("../events?x=/%")


def test_one_client_serves_many_threads(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    with ThreadPoolExecutor(16) as threads:
        enrolled = list(
            threads.map(
                lambda number: client.user_management.enroll_auth_factor(
                    user_id=user.id, totp_user=f"account {number % 8}"
                ),
                range(8),
            )
        )
        read_factors = list(
            threads.map(lambda one: client.mfa.get_factor(one.authentication_factor.id), enrolled * 8)
        )

    assert len({one.authentication_factor.id for one in enrolled}) == 8
    assert Counter(factor.totp and factor.totp.user for factor in read_factors) == {
        f"account {number}": 8 for number in range(8)
    }


def test_concurrent_first_calls_start_one_event_loop(server: Server) -> None:
    before = threading.active_count()
    client = Client(base_url=server.url, api_key=API_KEY)
    barrier = threading.Barrier(12)

    def list_and_count() -> int:
        barrier.wait()
        client.user_management.list_users(limit=1)
        return threading.active_count()

    with ThreadPoolExecutor(12) as threads:
        max_threads = max(threads.map(lambda _: list_and_count(), range(12)))
    client.close()

    assert max_threads <= before + 12 + 1
    assert threading.active_count() == before


def test_closed_client_reopens_on_the_next_call(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    client.close()
    client.close()

    assert client.user_management.get_user(user.id) == user


def test_garbage_collected_client_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    Client(data=tmp_path).user_management.list_users()

    assert threading.active_count() == before


@pytest.mark.parametrize("closing", ["", "client.close()", "del client"])
def test_program_exits_cleanly_with_or_without_close(tmp_path: Path, closing: str) -> None:
    completed = run_python(
        "from authfactor import Client\n"
        f"client = Client(data={str(tmp_path)!r})\n"
        "client.user_management.create_user(email='kim@example.org')\n"
        f"{closing}\n"
    )

    assert (completed.returncode, completed.stderr) == (0, "")
    with Client(data=tmp_path) as client:
        assert len(client.user_management.list_users().data) == 1


def test_forked_child_reconnects_and_refuses_the_parents_database(server: Server, tmp_path: Path) -> None:
    completed = run_python(f"""
import os, warnings
warnings.simplefilter("ignore")
from authfactor import Client
over_http = Client(base_url={server.url!r}, api_key={API_KEY!r})
in_process = Client(data={str(tmp_path)!r})
over_http.user_management.list_users()
in_process.user_management.list_users()
if os.fork() == 0:
    over_http.user_management.list_users()
    try:
        in_process.user_management.list_users()
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
print(os.wait()[1], len(in_process.user_management.list_users().data))
""")

    refusal, parent_output = completed.stdout.splitlines()
    assert refusal.startswith("This client had opened its database before the process forked."), (
        completed.stderr
    )
    assert parent_output == "0 0"


def test_http_client_imports_no_server_module(server: Server) -> None:
    """A program that only talks to a server needs httpx and msgspec alone."""
    completed = run_python(f"""
import json, sys
absent = "alembic argon2 click cryptography jwt sqlalchemy starlette uvicorn".split()
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import authfactor
assert "httpx" not in sys.modules and "msgspec" not in sys.modules
client = authfactor.Client(base_url={server.url!r}, api_key={API_KEY!r}, client_id={CLIENT_ID!r})
client.user_management.list_users(limit=1)
client.close()
print(json.dumps(sorted(name for name in sys.modules if name.startswith("authfactor."))))
""")

    assert completed.returncode == 0, completed.stderr
    imported = [name for name in json.loads(completed.stdout) if not name.startswith("authfactor.client")]
    assert imported == ["authfactor.version"]


def test_environment_is_required_when_several_exist(tmp_path: Path) -> None:
    with Client(data=tmp_path) as client:
        client.user_management.create_user(email="kim@example.org")
    environment = clean_environment(AUTHFACTOR_DATA=str(tmp_path))
    subprocess.run(
        [sys.executable, "-m", "authfactor", "environments", "create", "other"],
        env=environment,
        check=True,
        capture_output=True,
    )

    with pytest.raises(errors.InvalidRequest, match=r"several environments \(default, other\)"):
        Client(data=tmp_path).user_management.list_users()
    with pytest.raises(errors.NotFound, match="unknown"):
        Client(data=tmp_path, environment="unknown").user_management.list_users()
    with (
        Client(data=tmp_path, environment="other") as other,
        Client(data=tmp_path, environment="default") as one,
    ):
        assert other.user_management.list_users().data == ()
        assert [user.email for user in one.user_management.list_users()] == ["kim@example.org"]


def test_in_process_client_applies_the_servers_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "authfactor.toml").write_text('challenge_life = 60\nteam_name = "File"\n', encoding="utf-8")
    monkeypatch.setenv("AUTHFACTOR_TEAM_NAME", "Variable")
    with Client(data=tmp_path / "data") as client:
        factor = client.mfa.enroll_factor(totp_issuer="Acme", totp_user="kim")
        challenge = client.mfa.challenge_factor(factor.id)
        user = client.user_management.create_user(email="kim@example.org")
        enrolled = client.user_management.enroll_auth_factor(user_id=user.id)

    assert challenge.expires_at == challenge.created_at + timedelta(seconds=60)
    assert enrolled.authentication_factor.totp.issuer == "Variable"


def test_in_process_client_stores_no_api_key(tmp_path: Path) -> None:
    with Client(data=tmp_path) as client:
        client.user_management.create_user(email="kim@example.org")
    completed = subprocess.run(
        [sys.executable, "-m", "authfactor", "--json", "keys", "list"],
        env=clean_environment(AUTHFACTOR_DATA=str(tmp_path)),
        check=True,
        capture_output=True,
        text=True,
    )

    assert json.loads(completed.stdout) == []
