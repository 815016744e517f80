"""Where each command and each route that changes something is recorded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from authfactor.http.app import all_routes
from authfactor.http.pages.console.activity import AUDIT_ACTIONS
from authfactor.rules.console.roles import ACTIONS
from authfactor.rules.events import event_log
from authfactor.rules.events.webhook_endpoints import KNOWN_EVENTS
from tests.cli.test_command_line import COMMANDS, run
from tests.support.server_process import fields, running

# Actions of audit entries, names of events, or the reason why there is no record.
READS: Final = "changes nothing"
# A wrong code adds a time to the user's failure record and writes an event.
VERIFIED: Final = (
    event_log.FACTOR_ACTIVATED,
    event_log.REPLAY_REFUSED,
    event_log.USER_LOCKED,
    event_log.ATTEMPT_REFUSED,
)
SIGNED_IN: Final = (event_log.MFA_SUCCEEDED, event_log.MFA_FAILED, *VERIFIED)
COMMAND_RECORDS: Final[dict[str, str | tuple[str, ...]]] = {
    "audit export": READS,
    "audit list": READS,
    "audit verify": READS,
    "backup": READS,
    "config check": READS,
    "config show": READS,
    "copy": "the target gets the source's entries and nothing else",
    "devices list": READS,
    "devices revoke": ("trusted_device.revoke",),
    "doctor": READS,
    "environments brand": ("branding.update",),
    "environments create": ("environment.create", "api_key.create"),
    "environments list": READS,
    "environments update": ("environment.update",),
    "cors-origins add": ("cors_origin.create",),
    "cors-origins list": READS,
    "cors-origins remove": ("cors_origin.delete",),
    "export": ("factors.export",),
    "factors challenge": "a challenge is a row of its own; its outcome leaves events",
    "factors delete": ("factor.delete",),
    "factors enroll": ("factor.enroll",),
    "factors get": READS,
    "factors list": READS,
    "factors passkeys": READS,
    "factors rename": ("factor.rename",),
    "factors resync": ("factor.resync",),
    "factors verify": VERIFIED,
    "import": ("factors.import",),
    "invitations create": ("invitation.create",),
    "invitations list": READS,
    "invitations resend": ("invitation.resend",),
    "invitations revoke": ("invitation.revoke",),
    "keys create": ("api_key.create",),
    "keys list": READS,
    "keys revoke": ("api_key.revoke",),
    "keys rotate-signing": ("signing_key.rotate",),
    "links challenge": ("link.create",),
    "links enroll": ("link.create",),
    "links factors": ("link.create",),
    "links get": READS,
    "messages list": READS,
    "messages preview": READS,
    "migrate": "the schema's revision table records it",
    "operators disable": ("operator.disable",),
    "operators invite": ("operator.invite",),
    "operators list": READS,
    "operators reset": ("operator.reset",),
    "policy preview": READS,
    "policy set": ("mfa_policy.update",),
    "policy show": READS,
    "ready": READS,
    "recovery-codes count": READS,
    "recovery-codes create": ("recovery_codes.create",),
    "recovery-codes delete": ("recovery_codes.delete",),
    "recovery-codes import": ("recovery_codes.import",),
    "redirect-uris add": ("redirect_uri.create",),
    "redirect-uris list": READS,
    "redirect-uris remove": ("redirect_uri.delete",),
    "redirect-uris set-default": ("redirect_uri.update",),
    "reports coverage": READS,
    "restore": ("database.restored",),
    "senders mail delete": ("sender.delete",),
    "senders mail set": ("sender.set",),
    "senders mail show": READS,
    "senders mail test": "sends a message; only its limits are charged",
    "serve": "its changes are made by the routes below",
    "sessions check": READS,
    "webauthn metadata load": ("webauthn_metadata.load",),
    "webauthn metadata show": READS,
    "users create": ("user.create",),
    "users delete": ("user.delete",),
    "users get": READS,
    "users grace": ("user.grant_grace",),
    "users list": READS,
    "users policy": ("user.set_mfa_policy",),
    "users reset-password": ("password_reset.create",),
    "users unlock": ("user.unlock",),
    "users update": ("user.update",),
    "users verify-email": ("user.verify_email",),
    "vault retire": ("vault.retire",),
    "vault rotate": ("vault.rotate",),
    "vault status": READS,
    "webhooks deliveries": READS,
    "webhooks list": READS,
    "webhooks ping": ("webhook_endpoint.ping",),
    "webhooks resend": ("delivery.resend",),
}
CHALLENGED: Final = "a challenge is a row of its own; its outcome leaves events"
FLOW = "/sign-in/{flow_id}"
HOME: Final = "POST /console/e/{environment}"
ROUTE_RECORDS: Final[dict[str, str | tuple[str, ...]]] = {
    "POST /user_management/users/{user_id}/auth_factors": (event_log.FACTOR_ENROLLED,),
    "POST /auth/factors/enroll": (event_log.FACTOR_ENROLLED,),
    "POST /auth/factors/challenge": CHALLENGED,
    "POST /auth/factors/verify": VERIFIED,
    "DELETE /auth/factors/{factor_id}": ("factor.delete",),
    "POST /authfactor/users/{user_id}/recovery_codes": ("recovery_codes.create",),
    "PUT /authfactor/users/{user_id}/recovery_codes": ("recovery_codes.import",),
    "DELETE /authfactor/users/{user_id}/recovery_codes": ("recovery_codes.delete",),
    "POST /authfactor/users/{user_id}/passkey_registrations": "the registration is a row of its own",
    "POST /authfactor/users/{user_id}/passkey_registrations/{registration_id}/verify": ("factor.enroll",),
    "POST /authfactor/passkey_authentications": "stores nothing",
    "PATCH /authfactor/factors/{factor_id}": ("factor.rename",),
    "POST /authfactor/imports": ("factors.import",),
    "POST /authfactor/factors/{factor_id}/resync": ("factor.resync",),
    "PUT /authfactor/mfa_policy": ("mfa_policy.update",),
    "PUT /authfactor/senders/mail": ("sender.set",),
    "DELETE /authfactor/senders/mail": ("sender.delete",),
    "POST /authfactor/senders/mail/test": "sends a message; only its limits are charged",
    "POST /authfactor/mfa_policy/preview": READS,
    "PUT /authfactor/users/{user_id}/mfa_policy": ("user.set_mfa_policy",),
    "DELETE /authfactor/users/{user_id}/mfa_policy": ("user.set_mfa_policy",),
    "POST /authfactor/trusted_devices": (event_log.TRUSTED_DEVICE_CREATED,),
    "POST /authfactor/trusted_devices/rotate": (event_log.TRUSTED_DEVICE_THEFT_SUSPECTED,),
    "DELETE /authfactor/users/{user_id}/trusted_devices/{device_id}": ("trusted_device.revoke",),
    "DELETE /authfactor/users/{user_id}/trusted_devices": ("trusted_device.revoke",),
    "POST /auth/factors/{factor_id}/challenge": CHALLENGED,
    "POST /auth/challenges/{challenge_id}/verify": VERIFIED,
    "POST /user_management/users": (event_log.USER_CREATED,),
    "PUT /user_management/users/{user_id}": (event_log.USER_UPDATED,),
    "DELETE /user_management/users/{user_id}": ("user.delete",),
    "POST /user_management/authenticate": (
        event_log.PASSWORD_SUCCEEDED,
        event_log.PASSWORD_FAILED,
        *SIGNED_IN,
        event_log.TRUSTED_DEVICE_USED,
        event_log.TRUSTED_DEVICE_THEFT_SUSPECTED,
        event_log.PASSKEY_SUCCEEDED,
        event_log.PASSKEY_FAILED,
        event_log.PASSKEY_SUSPECT,
        event_log.MAGIC_AUTH_SUCCEEDED,
        event_log.MAGIC_AUTH_FAILED,
        event_log.EMAIL_VERIFICATION_SUCCEEDED,
        event_log.EMAIL_VERIFICATION_FAILED,
        event_log.INVITATION_ACCEPTED,
    ),
    "POST /user_management/users/{user_id}/email_verification/send": (event_log.EMAIL_VERIFICATION_CREATED,),
    "POST /user_management/users/{user_id}/email_verification/confirm": (
        event_log.EMAIL_VERIFICATION_SUCCEEDED,
        event_log.EMAIL_VERIFICATION_FAILED,
    ),
    "POST /user_management/users/{user_id}/email_change/send": "the code is a row of its own",
    "POST /user_management/users/{user_id}/email_change/confirm": ("user.change_email",),
    "POST /user_management/magic_auth": (event_log.MAGIC_AUTH_CREATED,),
    "POST /user_management/magic_auth/send": (event_log.MAGIC_AUTH_CREATED,),
    "POST /user_management/password_reset": (event_log.PASSWORD_RESET_CREATED,),
    "POST /user_management/password_reset/send": (event_log.PASSWORD_RESET_CREATED,),
    "POST /user_management/password_reset/confirm": ("user.reset_password",),
    "POST /user_management/invitations": ("invitation.create",),
    "POST /user_management/invitations/{invitation_id}/accept": ("invitation.accept",),
    "POST /user_management/invitations/{invitation_id}/resend": ("invitation.resend",),
    "POST /user_management/invitations/{invitation_id}/revoke": ("invitation.revoke",),
    "POST /user_management/sessions/revoke": (event_log.SESSION_REVOKED,),
    "POST /authfactor/sessions/{session_id}/check": READS,
    "POST /authfactor/sessions/{session_id}/challenges": CHALLENGED,
    "POST /authfactor/sessions/{session_id}/reauthenticate": (
        event_log.REAUTHENTICATION_SUCCEEDED,
        event_log.PASSWORD_FAILED,
    ),
    "OPTIONS /user_management/authenticate": READS,
    "POST /user_management/authorize/device": "the device is a row of its own",
    "POST /device": "the flow that it begins is a row of its own",
    "POST /user_management/redirect_uris": ("redirect_uri.create",),
    "DELETE /user_management/redirect_uris/{redirect_uri_id}": ("redirect_uri.delete",),
    "POST /user_management/cors_origins": ("cors_origin.create",),
    "POST /webhook_endpoints": ("webhook_endpoint.create",),
    "PATCH /webhook_endpoints/{endpoint_id}": ("webhook_endpoint.update",),
    "DELETE /webhook_endpoints/{endpoint_id}": ("webhook_endpoint.delete",),
    "POST /authfactor/webhook_endpoints/{endpoint_id}/ping": ("webhook_endpoint.ping",),
    "POST /authfactor/enrollment_links": (event_log.LINK_CREATED,),
    "POST /authfactor/challenge_links": (event_log.LINK_CREATED,),
    "POST /authfactor/factors_links": (event_log.LINK_CREATED,),
    "PUT /authfactor/branding": ("branding.update",),
    "POST /link/{token}": (event_log.LINK_OPENED,),
    "POST /enroll/{link_id}": (event_log.LINK_COMPLETED, event_log.FACTOR_ENROLLED),
    "POST /enroll/{link_id}/recovery-codes": (event_log.RECOVERY_CODES_CREATED,),
    "POST /enroll/{link_id}/recovery-codes.txt": "returns what the form has",
    "POST /enroll/{link_id}/passkey": (event_log.FACTOR_ENROLLED, event_log.FACTOR_ACTIVATED),
    "POST /enroll/{link_id}/passkey/confirm": (*VERIFIED,),
    f"POST {FLOW}": (
        event_log.PASSWORD_SUCCEEDED,
        event_log.PASSWORD_FAILED,
        event_log.PASSKEY_SUCCEEDED,
        event_log.PASSKEY_FAILED,
        event_log.TRUSTED_DEVICE_USED,
    ),
    f"POST {FLOW}/account": "the session of the browser is chosen, and nothing is signed in yet",
    f"POST {FLOW}/start-over": "the flow's row records it",
    f"POST {FLOW}/cancel": "the flow's row records it",
    f"POST {FLOW}/email-code/send": (event_log.MAGIC_AUTH_CREATED,),
    f"POST {FLOW}/email-code": (event_log.MAGIC_AUTH_SUCCEEDED, event_log.MAGIC_AUTH_FAILED),
    f"POST {FLOW}/verify": (event_log.EMAIL_VERIFICATION_SUCCEEDED, event_log.EMAIL_VERIFICATION_FAILED),
    f"POST {FLOW}/verify/send": (event_log.EMAIL_VERIFICATION_CREATED,),
    f"POST {FLOW}/sign-up": (event_log.USER_CREATED,),
    f"POST {FLOW}/forgotten": (event_log.PASSWORD_RESET_CREATED,),
    f"POST {FLOW}/code": SIGNED_IN,
    f"POST {FLOW}/enroll": SIGNED_IN,
    f"POST {FLOW}/enroll/app": (event_log.FACTOR_ENROLLED,),
    f"POST {FLOW}/enroll/passkey": (event_log.FACTOR_ENROLLED, event_log.FACTOR_ACTIVATED),
    f"POST {FLOW}/finish": "the code exchange records the sign-in",
    f"POST {FLOW}/recovery-codes": (event_log.RECOVERY_CODES_CREATED,),
    f"POST {FLOW}/recovery-codes.txt": "returns what the form has",
    "POST /reset-password": ("user.reset_password",),
    "POST /invitation": "the flow that it begins is a row of its own",
    "POST /factors/{link_id}/confirm/{then}": (*VERIFIED,),
    "POST /factors/{link_id}/rename/{factor_id}": (event_log.FACTOR_RENAMED,),
    "POST /factors/{link_id}/add": (event_log.FACTOR_ENROLLED,),
    "POST /factors/{link_id}/add/code": (event_log.FACTOR_ACTIVATED,),
    "POST /factors/{link_id}/passkey": "the registration is a row of its own",
    "POST /factors/{link_id}/passkey/new": (event_log.FACTOR_ENROLLED, event_log.FACTOR_ACTIVATED),
    "POST /factors/{link_id}/remove/{factor_id}": (event_log.FACTOR_DELETED,),
    "POST /factors/{link_id}/forget/{device_id}": (event_log.TRUSTED_DEVICE_REVOKED,),
    "POST /factors/{link_id}/recovery-codes": (event_log.RECOVERY_CODES_CREATED,),
    "POST /factors/{link_id}/recovery-codes.txt": "returns what the form has",
    "POST /factors/{link_id}/sessions": (event_log.SESSION_REVOKED,),
    "POST /factors/{link_id}/leave": (event_log.LINK_COMPLETED,),
    "POST /challenge/{link_id}": (
        event_log.LINK_COMPLETED,
        event_log.TRUSTED_DEVICE_CREATED,
        *VERIFIED,
    ),
    "POST /console/sign-in": ("operator.signed_in", "operator.locked", "operator.sign_in_refused"),
    "POST /console/sign-in/passkey": (
        "operator.signed_in",
        "operator.sign_in_refused",
        "operator.passkey_suspect",
    ),
    "POST /console/account/passkeys/new": "the registration is a row of its own",
    "POST /console/account/passkeys": ("operator_passkey.create",),
    "POST /console/account/passkeys/{passkey}/rename": ("operator_passkey.rename",),
    "POST /console/account/passkeys/{passkey}/delete": ("operator_passkey.delete",),
    "POST /console/sign-out": "the operator's session row records its end",
    "POST /console/set-up/{token}": "the set-up that it begins is recorded by the next one",
    "POST /console/set-up/{token}/code": ("operator.set_up",),
    "POST /console/environments": ("environment.create",),
    f"{HOME}/settings": ("environment.update",),
    f"{HOME}/mfa-policy": ("mfa_policy.update",),
    f"{HOME}/users/{{user}}/mfa-policy": ("user.set_mfa_policy",),
    f"{HOME}/look": ("environment.update",),
    f"{HOME}/keys": ("api_key.create",),
    f"{HOME}/keys/{{key}}/revoke": ("api_key.revoke",),
    f"{HOME}/users/{{user}}/unlock": ("user.unlock",),
    f"{HOME}/users/{{user}}/enroll": ("factor.enroll",),
    f"{HOME}/users/{{user}}/factors-link": ("link.create",),
    f"{HOME}/users/{{user}}/reset": ("factor.reset",),
    f"{HOME}/users/{{user}}/delete": ("user.delete",),
    f"{HOME}/users/{{user}}/factors/{{factor}}/rename": ("factor.rename",),
    f"{HOME}/users/{{user}}/factors/{{factor}}/delete": ("factor.delete",),
    f"{HOME}/users/{{user}}/devices/{{device}}/revoke": ("trusted_device.revoke",),
    f"{HOME}/users/{{user}}/sessions/{{session}}/revoke": ("session.revoke",),
    f"{HOME}/redirect-uris": ("redirect_uri.create",),
    f"{HOME}/redirect-uris/{{uri}}/default": ("redirect_uri.update",),
    f"{HOME}/redirect-uris/{{uri}}/delete": ("redirect_uri.delete",),
    f"{HOME}/webhooks": ("webhook_endpoint.create",),
    f"{HOME}/webhooks/{{endpoint}}/enable": ("webhook_endpoint.update",),
    f"{HOME}/webhooks/{{endpoint}}/disable": ("webhook_endpoint.update",),
    f"{HOME}/webhooks/{{endpoint}}/delete": ("webhook_endpoint.delete",),
    f"{HOME}/webhooks/{{endpoint}}/ping": ("webhook_endpoint.ping",),
    f"{HOME}/deliveries/{{delivery}}/resend": ("delivery.resend",),
    f"{HOME}/sender": ("sender.set",),
    f"{HOME}/sender/test": ("sender.test",),
    f"{HOME}/sender/delete": ("sender.delete",),
    "POST /console/operators": ("operator.invite",),
    "POST /console/operators/{operator}/reset": ("operator.reset",),
    "POST /console/operators/{operator}/role": ("operator.change_role",),
    "POST /console/operators/{operator}/disable": ("operator.disable",),
    "POST /console/account/sessions/{session}/end": "the operator's session row records its end",
}


def test_every_command_declares_its_audit_record() -> None:
    assert sorted(COMMAND_RECORDS) == [" ".join(path) for path in COMMANDS]


def test_every_writing_route_declares_its_audit_record() -> None:
    assert set(ROUTE_RECORDS) == {route.name for route in all_routes() if route.method != "GET"}


def test_every_console_action_is_recorded_by_a_route() -> None:
    named = {name for names in ROUTE_RECORDS.values() if isinstance(names, tuple) for name in names}
    assert set(ACTIONS) <= named


def test_the_console_can_filter_by_every_audit_action() -> None:
    for table in (COMMAND_RECORDS, ROUTE_RECORDS):
        named = {name for names in table.values() if isinstance(names, tuple) for name in names}
        assert named - KNOWN_EVENTS <= set(AUDIT_ACTIONS)


def entries(data: Path) -> list[dict[str, Any]]:
    exported = run(data, "audit", "export")
    assert exported.returncode == 0, exported.stderr
    return [json.loads(line) for line in exported.stdout.splitlines()]


def change_addresses(data: Path, run_json: Callable[..., str]) -> None:
    run_json("redirect-uris", "add", "https://app.example.org/1")
    uri = run_json("redirect-uris", "add", "https://app.example.org/2")
    run_json("redirect-uris", "set-default", uri)
    first = json.loads(run(data, "--json", "redirect-uris", "list").stdout)["data"][1]["id"]
    run_json("redirect-uris", "remove", first, "--yes", "--reason", "moved")
    origin = run_json("cors-origins", "add", "https://app.example.org")
    run_json("cors-origins", "remove", origin, "--yes")


def test_command_line_changes_are_audited_with_actor_and_reason(tmp_path: Path) -> None:
    data = tmp_path / "data"

    def run_json(*words: str, result: str = "id") -> str:
        done = run(data, "--json", *words)
        assert done.returncode == 0, (words, done.stderr)
        return str(json.loads(done.stdout)[result])

    user = run_json("users", "create", "kim@example.org")
    run_json("users", "update", user, "--first-name", "Kim")
    run_json("users", "unlock", user, "--reason", "lost phone")
    run_json("users", "verify-email", user, "--yes", "--reason", "told by phone")
    run_json("users", "reset-password", "kim@example.org", "--yes")
    invitation = run_json("invitations", "create", "lee@example.org", "--days", "3")
    run_json("invitations", "resend", invitation)
    run_json("invitations", "revoke", invitation, "--yes", "--reason", "wrong address")
    made = run(data, "--json", "factors", "enroll", user)
    factor = str(json.loads(made.stdout)["authentication_factor"]["id"])
    for words in (("links", "enroll", user), ("links", "challenge", user), ("links", "factors", user)):
        run(data, *words)
    run_json("factors", "rename", factor, "Blue phone")
    run_json("factors", "delete", factor, "--yes", "--reason", "sold phone")
    run_json("users", "delete", user, "--yes", "--reason", "asked for it")
    key = run_json("keys", "create")
    run_json("keys", "revoke", key, "--reason", "leaked")
    run_json("keys", "rotate-signing")
    run_json("environments", "update", "default", "--mfa-policy", "required", result="name")
    run_json("environments", "brand", "default", "--color", "#0a7d5a", result="color")
    run_json("operators", "invite", "kim@example.org")
    run_json("operators", "invite", "lee@example.org")
    run_json("operators", "reset", "lee@example.org", "--reason", "new phone")
    run_json("operators", "disable", "lee@example.org", "--reason", "left")
    old = run_json("vault", "rotate", "--wait", "0", result="key")
    run_json("vault", "rotate", "--wait", "0", result="key")
    run_json("vault", "retire", old, "--reason", "a year old", result="retired")
    change_addresses(data, run_json)
    run_json("environments", "create", "staging", result="name")

    found = entries(data)
    declared = {name for names in COMMAND_RECORDS.values() if isinstance(names, tuple) for name in names}
    audited = {name for name in declared if not name.startswith(("authentication.", "authfactor."))}
    # A restore, webhooks, recovery codes, resyncs, policies and trusted devices have their own tests.
    elsewhere = {"database.restored", "delivery.resend", "webhook_endpoint.ping"}
    elsewhere |= {"factors.import", "factors.export"}
    elsewhere |= {"recovery_codes.create", "recovery_codes.import", "recovery_codes.delete", "factor.resync"}
    elsewhere |= {"mfa_policy.update", "user.grant_grace", "user.set_mfa_policy"}
    elsewhere |= {"trusted_device.revoke", "webauthn_metadata.load", "sender.set", "sender.delete"}
    assert {entry["action"] for entry in found} == audited - elsewhere
    reasons = {entry["action"]: entry["reason"] for entry in found if entry["reason"]}
    assert reasons == {
        "user.unlock": "lost phone",
        "user.verify_email": "told by phone",
        "invitation.revoke": "wrong address",
        "factor.delete": "sold phone",
        "user.delete": "asked for it",
        "api_key.revoke": "leaked",
        "operator.reset": "new phone",
        "operator.disable": "left",
        "vault.retire": "a year old",
        "redirect_uri.delete": "moved",
    }
    assert {(entry["actor_kind"], entry["actor"]) for entry in found} == {("command_line", "command line")}
    assert all(entry["actor_id"] for entry in found)
    assert {entry["target"] for entry in found if entry["action"] == "user.delete"} == {user}
    # Signed with three keys, of which the vault's first is retired: every entry still verifies.
    checked = run(data, "--json", "audit", "verify")
    assert checked.returncode == 0, checked.stdout
    assert len({entry["key_id"] for entry in found}) == 3


@pytest.mark.timeout(60)
def test_api_changes_are_audited_with_key_and_request_id(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        with server.client() as client:
            user = fields(client.post("/user_management/users", json={"email": "kim@example.org"}), 201)["id"]
            path = f"/user_management/users/{user}/auth_factors"
            factor = fields(client.post(path, json={"type": "totp"}), 201)["authentication_factor"]["id"]
            hook = {"endpoint_url": "https://example.org/hook", "events": ["user.created"]}
            created = client.post("/webhook_endpoints", json=hook)
            endpoint = f"/webhook_endpoints/{fields(created, 201)['id']}"
            responses = {
                "webhook_endpoint.create": created,
                "webhook_endpoint.ping": client.post(f"/authfactor{endpoint}/ping"),
                "webhook_endpoint.update": client.patch(endpoint, json={"status": "disabled"}),
                "webhook_endpoint.delete": client.delete(endpoint),
                "branding.update": client.put("/authfactor/branding", json={"color": "#0a7d5a"}),
                "factor.delete": client.delete(f"/auth/factors/{factor}"),
                "user.delete": client.delete(f"/user_management/users/{user}"),
            }
            refused = client.delete(f"/user_management/users/{user}")
        exported = server.run("audit", "export")
    assert all(response.is_success for response in responses.values())
    assert refused.status_code == 404
    found = [json.loads(line) for line in exported.stdout.splitlines()]
    assert {entry["action"]: entry["request_id"] for entry in found} == {
        action: response.headers["x-request-id"] for action, response in responses.items()
    }
    assert {(entry["actor_kind"], entry["actor_id"][:8], entry["address"]) for entry in found} == {
        ("api_key", "api_key_", "127.0.0.1")
    }
    assert {entry["target"] for entry in found} >= {factor, user}
