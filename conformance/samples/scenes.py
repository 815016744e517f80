"""What each sample finds when it begins: users, factors, challenges, tokens, made beforehand."""

import json
import secrets
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx

from authfactor.otp import base32, totp
from authfactor.testing.software_authenticator import SoftwareAuthenticator
from conformance.samples import mailbox
from tests.support.server_process import API_KEY, CLIENT_ID

PASSWORD: Final = "a long and rare passphrase 7!"
NEW_PASSWORD: Final = "another long passphrase 8!"
METRICS_TOKEN: Final = "a-token-for-metrics-and-nothing-else"
SECRET: Final = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
CALLBACK: Final = "http://localhost:3000/callback"
OWN_PAGE: Final = {"sec-fetch-site": "same-origin"}
"""What a browser sends with the form of a page."""
RETURN_TO: Final = "https://app.example.org/goodbye"
ORIGIN: Final = "http://localhost"
DATA: Final[list[Path]] = []
"""The data folder of the server: no answer has the code of an email change."""
SEND_LIMITS: Final = {
    "interval_seconds": 0,
    "per_hour": 1000,
    "per_day": 1000,
    "environment_per_hour": 100_000,
}
RELYING_PARTY: Final = {"rp_id": "localhost", "origins": [ORIGIN]}
"""Settings of passkeys: a browser takes no IP address."""
# What each page's samples take, in the words of the samples.
TAKES: Final[Mapping[str, tuple[str, ...]]] = {
    "enroll_auth_factor": ("user_id",),
    "list_auth_factors": ("user_id", "factor_id"),
    "get_factor": ("factor_id",),
    "delete_factor": ("factor_id",),
    "import_factors": ("user_id",),
    "get_passkey_signals": ("user_id",),
    "create_recovery_codes": ("member_id",),
    "import_recovery_codes": ("member_id",),
    "get_recovery_codes": ("recovery_codes_user_id",),
    "delete_recovery_codes": ("recovery_codes_user_id",),
    "begin_passkey_registration": ("user_id",),
    "finish_passkey_registration": ("user_id", "registration_id", "new_credential"),
    "begin_passkey_sign_in": (),
    "authenticate_with_passkey": ("client_id", "authentication_id", "credential"),
    "get_challenge": ("passkey_challenge_id",),
    "create_trusted_device": ("fresh_session_id",),
    "rotate_trusted_device": ("device_token",),
    "list_trusted_devices": ("device_id", "user_id"),
    "revoke_trusted_device": ("device_id", "user_id"),
    "revoke_trusted_devices": ("device_id", "user_id"),
    "list_all_factors": ("member_id",),
    "rename_factor": ("factor_id",),
    "resync_factor": ("factor_id", "code", "next_code"),
    "get_mfa_policy": (),
    "set_mfa_policy": (),
    "preview_mfa_policy": (),
    "get_mfa_coverage": (),
    "get_user_mfa_policy": ("user_id",),
    "set_user_mfa_policy": ("user_id", "ends_at"),
    "delete_user_mfa_policy": ("user_id",),
    "list_messages": ("message_id", "notified_user_id"),
    "get_message": ("message_id",),
    "get_mail_sender": ("mail_sender",),
    "set_mail_sender": (),
    "delete_mail_sender": ("mail_sender",),
    "test_mail_sender": ("mail_sender", "email"),
    "challenge_factor": ("factor_id",),
    "verify_challenge": ("challenge_id", "code"),
    "challenge_factor_before_2022": ("factor_id",),
    "verify_factor_before_2022": ("challenge_id", "code"),
    "create_user": ("new_email", "password"),
    "list_users": ("email", "user_id"),
    "send_verification_email": ("unverified_id",),
    "verify_email": ("unverified_id", "verification_code"),
    "get_email_verification": ("email_verification_id",),
    "authenticate_with_email_verification": (
        "client_id",
        "gate_code",
        "email_pending_token",
    ),
    "create_magic_auth": ("email", "user_id"),
    "send_magic_auth_code": ("email", "user_id"),
    "get_magic_auth": ("magic_auth_id",),
    "authenticate_with_magic_auth": ("client_id", "magic_code", "email"),
    "create_password_reset": ("email", "user_id"),
    "send_password_reset_email": ("email", "user_id"),
    "get_password_reset": ("password_reset_id",),
    "confirm_password_reset": ("reset_token", "new_password"),
    "send_email_change": ("user_id", "changed_email"),
    "confirm_email_change": ("user_id", "change_code"),
    "get_user_identities": ("user_id",),
    "list_invitations": ("invited_email", "invitation_id"),
    "send_invitation": ("new_email",),
    "get_invitation": ("invitation_id",),
    "find_invitation_by_token": ("invitation_token",),
    "accept_invitation": ("accepted_invitation_id",),
    "revoke_invitation": ("invitation_id",),
    "resend_invitation": ("invitation_id",),
    "get_user": ("user_id",),
    "get_user_by_external_id": ("external_id", "user_id"),
    "update_user": ("user_id",),
    "delete_user": ("user_id",),
    "authenticate_with_password": ("client_id", "email", "password", "user_id"),
    "authenticate_with_totp": ("client_id", "code", "challenge_id", "pending_authentication_token"),
    "authenticate_with_refresh_token": ("client_id", "refresh_token"),
    "begin_sign_in": ("client_id", "redirect_uri", "state"),
    "authenticate_with_code": ("client_id", "authorization_code"),
    "begin_device_sign_in": ("client_id",),
    "authenticate_with_device_code": ("client_id", "device_code"),
    "list_redirect_uris": ("redirect_uri_id",),
    "create_redirect_uri": ("uri",),
    "delete_redirect_uri": ("redirect_uri_id",),
    "list_cors_origins": ("cors_origin_id",),
    "create_cors_origin": ("origin",),
    "get_jwks": ("client_id",),
    "list_sessions": ("user_id", "session_id"),
    "revoke_session": ("session_id",),
    "check_session": ("session_id",),
    "challenge_session": ("enrolled_session_id",),
    "reauthenticate_session": ("session_id", "password"),
    "log_out": ("session_id", "return_to"),
    "list_events": ("user_id",),
    "create_enrollment_link": ("user_id", "return_to"),
    "get_enrollment_link": ("user_id", "link_id"),
    "create_challenge_link": ("user_id", "factor_id", "return_to"),
    "get_challenge_link": ("factor_id", "challenge_link_id"),
    "create_factors_link": ("user_id", "session_id", "return_to"),
    "get_factors_link": ("user_id", "factors_link_id"),
    "metrics": ("metrics_token",),
    "list_webhook_endpoints": ("endpoint_id",),
    "create_webhook_endpoint": ("endpoint_url",),
    "update_webhook_endpoint": ("endpoint_id",),
    "delete_webhook_endpoint": ("endpoint_id",),
    "ping_webhook_endpoint": ("endpoint_id",),
}

# The names in the samples, where several pages use the same one.
SHOWN_AS: Final[Mapping[str, str]] = {
    "new_email": "email",
    "invited_email": "email",
    "changed_email": "new_email",
    "unverified_id": "user_id",
    "verification_code": "code",
    "gate_code": "code",
    "magic_code": "code",
    "change_code": "code",
    "email_pending_token": "pending_authentication_token",
    "reset_token": "token",
    "invitation_token": "token",
    "accepted_invitation_id": "invitation_id",
    "authorization_code": "code",
    "new_credential": "credential",
    "passkey_challenge_id": "challenge_id",
    "challenge_link_id": "link_id",
    "factors_link_id": "link_id",
    "member_id": "user_id",
    "enrolled_session_id": "session_id",
    "fresh_session_id": "session_id",
    "recovery_codes_user_id": "user_id",
    "notified_user_id": "user_id",
}


def prepare(page: str, client: httpx.Client) -> dict[str, str]:
    """Make what the samples of a page need, and return its values by name."""
    scene = _Scene(client)
    scene.lift_send_limits()
    values = {name: str(getattr(scene, name)) for name in TAKES.get(page, ())}
    for name, shown in SHOWN_AS.items():
        if name in values:
            values[shown] = values.pop(name)
    return values


class _Scene:
    """Makes each value when it is asked for, together with whatever it rests on."""

    client_id, return_to, password = CLIENT_ID, RETURN_TO, PASSWORD
    redirect_uri, state = CALLBACK, "s9fK2"
    metrics_token, new_password = METRICS_TOKEN, NEW_PASSWORD

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        name = uuid.uuid4().hex[:12]
        self.email = self.new_email = f"kim.{name}@example.org"
        self.invited_email, self.changed_email = f"lee.{name}@example.org", f"kim.new.{name}@example.org"
        self.external_id = f"customer-{name}"
        self._authenticator = SoftwareAuthenticator(secrets.token_bytes)
        self.endpoint_url = f"http://127.0.0.1:9/hooks/{name}"

    def _post(self, path: str, body: dict[str, Any] | None = None, status: int = 201) -> dict[str, Any]:
        answer = self._client.post(path, json=body or {})
        assert answer.status_code == status, f"{path}: {answer.text}"
        found: dict[str, Any] = answer.json()
        return found

    @cached_property
    def ends_at(self) -> str:
        soon = datetime.now(UTC) + timedelta(days=7)
        return soon.isoformat(timespec="seconds")

    @cached_property
    def user_id(self) -> str:
        body = {"email": self.email, "password": PASSWORD, "external_id": self.external_id}
        # The environment asks for it, for the sample about that.
        return str(self._post("/user_management/users", {**body, "email_verified": True})["id"])

    @cached_property
    def unverified_id(self) -> str:
        body = {"email": self.email, "password": PASSWORD}
        return str(self._post("/user_management/users", body)["id"])

    def lift_send_limits(self) -> None:
        """Raise the limits of a sender that a sample has set, as all samples send from one environment."""
        found = self._client.get("/authfactor/senders/mail")
        if found.status_code == 200 and found.json()["limits"] != SEND_LIMITS:
            assert self.mail_sender

    @cached_property
    def mail_sender(self) -> str:
        found = self._client.get("/authfactor/senders/mail")
        if found.status_code == 200 and found.json()["limits"] == SEND_LIMITS:
            return str(found.json()["kind"])
        answer = self._client.put("/authfactor/senders/mail", json={"kind": "console", "limits": SEND_LIMITS})
        assert answer.status_code == 200, answer.text
        time.sleep(1)  # callers are cached
        return str(answer.json()["kind"])

    @cached_property
    def notified_user_id(self) -> str:
        assert self.mail_sender
        body = {"email": self.email, "password": PASSWORD, "email_verified": True}
        user = str(self._post("/user_management/users", body)["id"])
        changed = {"password": f"{PASSWORD} again"}
        answer = self._client.put(f"/user_management/users/{user}", json=changed)
        assert answer.status_code == 200, answer.text
        return user

    @cached_property
    def message_id(self) -> str:
        listed = self._client.get("/authfactor/messages", params={"user_id": self.notified_user_id}).json()
        return str(listed["data"][0]["id"])

    @cached_property
    def _verification(self) -> dict[str, Any]:
        path = f"/user_management/users/{self.unverified_id}/email_verification/send"
        self._post(path, status=200)
        query = {"events": "email_verification.created", "order": "desc", "limit": "1"}
        created = self._client.get("/events", params=query).json()["data"][0]["data"]["id"]
        return self._verified(created)

    def _verified(self, verification_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get(
            f"/user_management/email_verification/{verification_id}"
        ).json()
        return found

    @cached_property
    def verification_code(self) -> str:
        return str(self._verification["code"])

    @cached_property
    def email_verification_id(self) -> str:
        return str(self._verification["id"])

    @cached_property
    def _gate(self) -> dict[str, Any]:
        assert self.unverified_id
        return self._password(403)

    @cached_property
    def email_pending_token(self) -> str:
        return str(self._gate["pending_authentication_token"])

    @cached_property
    def gate_code(self) -> str:
        return str(self._verified(self._gate["email_verification_id"])["code"])

    @cached_property
    def _magic(self) -> dict[str, Any]:
        assert self.user_id
        return self._post("/user_management/magic_auth", {"email": self.email})

    @cached_property
    def magic_auth_id(self) -> str:
        return str(self._magic["id"])

    @cached_property
    def magic_code(self) -> str:
        return str(self._magic["code"])

    @cached_property
    def _reset(self) -> dict[str, Any]:
        assert self.user_id
        return self._post("/user_management/password_reset", {"email": self.email})

    @cached_property
    def password_reset_id(self) -> str:
        return str(self._reset["id"])

    @cached_property
    def reset_token(self) -> str:
        return str(self._reset["password_reset_token"])

    @cached_property
    def change_code(self) -> str:
        path = f"/user_management/users/{self.user_id}/email_change/send"
        self._post(path, {"new_email": self.changed_email}, 200)
        return mailbox.newest_code(DATA[0], self.changed_email)

    @cached_property
    def _invitation(self) -> dict[str, Any]:
        return self._post("/user_management/invitations", {"email": self.invited_email})

    @cached_property
    def invitation_id(self) -> str:
        return str(self._invitation["id"])

    @cached_property
    def invitation_token(self) -> str:
        return str(self._invitation["token"])

    @cached_property
    def accepted_invitation_id(self) -> str:
        invited = self._post("/user_management/invitations", {"email": self.email})
        assert self.user_id
        return str(invited["id"])

    @cached_property
    def _enrolled(self) -> dict[str, Any]:
        # A secret that was brought along makes the factor active at once.
        body = {"type": "totp", "totp_secret": SECRET}
        return self._post(f"/user_management/users/{self.user_id}/auth_factors", body)

    @cached_property
    def factor_id(self) -> str:
        return str(self._enrolled["authentication_factor"]["id"])

    @cached_property
    def member_id(self) -> str:
        assert self.factor_id
        return self.user_id

    @cached_property
    def recovery_codes_user_id(self) -> str:
        self._post(f"/authfactor/users/{self.member_id}/recovery_codes")
        return self.user_id

    @cached_property
    def challenge_id(self) -> str:
        return str(self._enrolled["authentication_challenge"]["id"])

    @cached_property
    def _step(self) -> int:
        # One for both codes, which must follow each other.
        return totp.step_at(int(time.time()))

    @cached_property
    def code(self) -> str:
        return totp.code_at(base32.decode(SECRET, min_bytes=10), self._step)

    @cached_property
    def next_code(self) -> str:
        return totp.code_at(base32.decode(SECRET, min_bytes=10), self._step + 1)

    @cached_property
    def pending_authentication_token(self) -> str:
        assert self.factor_id
        return str(self._signed_in(403)["pending_authentication_token"])

    def _signed_in(self, status: int = 200) -> dict[str, Any]:
        assert self.user_id
        return self._password(status)

    def _password(self, status: int) -> dict[str, Any]:
        credentials = {"client_id": CLIENT_ID, "client_secret": API_KEY}
        body = {"grant_type": "password", "email": self.email, "password": PASSWORD, **credentials}
        return self._post("/user_management/authenticate", body, status)

    @cached_property
    def refresh_token(self) -> str:
        return str(self._signed_in()["refresh_token"])

    @cached_property
    def session_id(self) -> str:
        self._signed_in()
        sessions = self._client.get(f"/user_management/users/{self.user_id}/sessions").json()
        return str(sessions["data"][0]["id"])

    @cached_property
    def enrolled_session_id(self) -> str:
        session_id = self.session_id  # before there is a factor, which the sign-in would ask for
        assert self.factor_id
        return session_id

    @cached_property
    def fresh_session_id(self) -> str:
        body = {
            "grant_type": "urn:workos:oauth:grant-type:mfa-totp",
            "client_id": CLIENT_ID,
            "client_secret": API_KEY,
            "code": self.code,
            "pending_authentication_token": self.pending_authentication_token,
            "authentication_challenge_id": self.challenge_id,
        }
        self._post("/user_management/authenticate", body, 200)
        sessions = self._client.get(f"/user_management/users/{self.user_id}/sessions").json()
        return str(sessions["data"][0]["id"])

    @cached_property
    def _registration(self) -> dict[str, Any]:
        return self._post(f"/authfactor/users/{self.user_id}/passkey_registrations")

    @cached_property
    def registration_id(self) -> str:
        return str(self._registration["id"])

    @cached_property
    def new_credential(self) -> str:
        return _compact(self._authenticator.create(self._registration["public_key"], ORIGIN))

    @cached_property
    def _passkey(self) -> dict[str, Any]:
        path = f"/authfactor/users/{self.user_id}/passkey_registrations/{self.registration_id}/verify"
        return self._post(path, {"credential": json.loads(self.new_credential)})

    @cached_property
    def _authentication(self) -> dict[str, Any]:
        assert self._passkey
        return self._post("/authfactor/passkey_authentications")

    @cached_property
    def authentication_id(self) -> str:
        return str(self._authentication["id"])

    @cached_property
    def credential(self) -> str:
        return _compact(self._authenticator.get(self._authentication["public_key"], ORIGIN))

    @cached_property
    def passkey_challenge_id(self) -> str:
        return str(self._post(f"/auth/factors/{self._passkey['id']}/challenge")["id"])

    @cached_property
    def _device(self) -> dict[str, Any]:
        body = {"session_id": self.fresh_session_id, "name": "Firefox on Linux"}
        return self._post("/authfactor/trusted_devices", body)

    @cached_property
    def device_id(self) -> str:
        return str(self._device["id"])

    @cached_property
    def device_token(self) -> str:
        return str(self._device["token"])

    @cached_property
    def link_id(self) -> str:
        return str(self._post("/authfactor/enrollment_links", {"user_id": self.user_id})["id"])

    @cached_property
    def challenge_link_id(self) -> str:
        return str(self._post("/authfactor/challenge_links", {"user_id": self.user_id})["id"])

    @cached_property
    def factors_link_id(self) -> str:
        return str(self._post("/authfactor/factors_links", {"user_id": self.user_id})["id"])

    @cached_property
    def uri(self) -> str:
        return f"https://app.example.org/{uuid.uuid4().hex}"

    @cached_property
    def origin(self) -> str:
        return f"https://{uuid.uuid4().hex}.example.org"

    @cached_property
    def redirect_uri_id(self) -> str:
        self._post("/user_management/redirect_uris", {"uri": f"{self.uri}/default"})
        return str(self._post("/user_management/redirect_uris", {"uri": self.uri})["id"])

    @cached_property
    def cors_origin_id(self) -> str:
        return str(self._post("/user_management/cors_origins", {"origin": self.origin})["id"])

    @cached_property
    def authorization_code(self) -> str:
        asked = {
            "client_id": CLIENT_ID,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "provider": "authkit",
        }
        with httpx.Client(base_url=self._client.base_url) as browser:
            page = browser.get("/user_management/authorize", params=asked).headers["location"]
            return parse_qs(urlsplit(self._sign_in_on(browser, page)).query)["code"][0]

    @cached_property
    def device_code(self) -> str:
        begun = self._post("/user_management/authorize/device", {"client_id": CLIENT_ID}, 200)
        form = {"user_code": begun["user_code"], "confirmed": "1"}
        with httpx.Client(base_url=self._client.base_url) as browser:
            page = browser.post("/device", data=form, headers=OWN_PAGE).headers["location"]
            self._sign_in_on(browser, page)
        return str(begun["device_code"])

    def _sign_in_on(self, browser: httpx.Client, page: str) -> str:
        """Sign in on a page with the password, as a person does; return where that leads."""
        assert self.user_id
        form = {"email": self.email, "password": PASSWORD}
        return str(browser.post(page, data=form, headers=OWN_PAGE).headers["location"])

    @cached_property
    def endpoint_id(self) -> str:
        body = {"endpoint_url": self.endpoint_url, "events": ["user.deleted"]}
        return str(self._post("/webhook_endpoints", body)["id"])


def _compact(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"))
