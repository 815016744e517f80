"""The whole life through the newest workos: `python life_newest.py`."""

import asyncio
import sys

import jwt
import steps
import workos
from inbox import subscribed
from steps import refused, same, step
from workos._errors import (
    AuthenticationError,
    BadRequestError,
    MfaChallengeError,
    NotFoundError,
    UnprocessableEntityError,
)
from workos.user_management import PasswordPlaintext


class Life:
    def __init__(self, client: workos.WorkOSClient, stranger: workos.WorkOSClient) -> None:
        self.client, self.users, self.mfa = client, client.user_management, client.multi_factor_auth
        self.stranger = stranger
        self.email = steps.unique_email()

    @step("create user")
    def create(self) -> None:
        self.user = self.users.create_user(
            email=self.email, password=PasswordPlaintext(steps.PASSWORD), email_verified=True
        )
        same("email", self.user.email, self.email)
        found = self.users.get_user(self.user.id)
        same("read again", (found.id, found.created_at), (self.user.id, self.user.created_at))

    @step("enroll")
    def enroll(self) -> None:
        made = self.mfa.create_user_auth_factor(self.user.id, type="totp")
        self.factor, self.challenge = made.authentication_factor, made.authentication_challenge
        same("account", self.factor.totp.user, self.email)
        same("challenged factor", self.challenge.authentication_factor_id, self.factor.id)
        assert self.challenge.expires_at, "expires_at is missing"

    @step("enroll own")
    def enroll_own(self) -> None:
        made = self.mfa.create_user_auth_factor(
            self.user.id,
            type="totp",
            totp_issuer="Acme & Söhne",
            totp_user="kim+2@example.org",
            totp_secret=steps.SECRET,
        )
        self.own = made.authentication_factor
        totp = self.own.totp
        same("own values", (totp.issuer, totp.user), ("Acme & Söhne", "kim+2@example.org"))
        same("own secret", totp.secret, steps.SECRET)

    @step("qr code")
    def qr_code(self) -> None:
        for factor in (self.factor, self.own):
            same("picture", steps.text_in_picture(factor.totp.qr_code), factor.totp.uri)
            assert f"secret={factor.totp.secret}" in factor.totp.uri, "no secret in the URI"

    @step("wrong code")
    def wrong_code(self) -> None:
        same("valid", self.verified(self.challenge.id, steps.wrong_code(self.factor.totp.secret)), False)

    @step("verify")
    def verify(self) -> None:
        self.code = steps.code(self.factor.totp.secret)
        same("valid", self.verified(self.challenge.id, self.code), True)

    @step("challenge")
    def ask(self) -> None:
        self.again = self.mfa.challenge_factor(self.factor.id)
        same("challenged factor", self.again.authentication_factor_id, self.factor.id)
        assert self.again.id != self.challenge.id, "the same challenge twice"

    @step("replay")
    def replay(self) -> None:
        same("valid", self.verified(self.again.id, self.code), False)

    def verified(self, challenge_id: str, code: str) -> bool:
        answer = self.mfa.verify_challenge(challenge_id, code=code)
        same("challenge", answer.challenge.id, challenge_id)
        return answer.valid

    @step("list")
    def pages(self) -> None:
        first = self.mfa.list_user_auth_factors(self.user.id, limit=1)
        same("first page", [factor.id for factor in first.data], [self.own.id])
        after = first.list_metadata.after
        second = self.mfa.list_user_auth_factors(self.user.id, limit=1, after=after)
        same("second page", [factor.id for factor in second.data], [self.factor.id])
        same("end of the list", second.list_metadata.after, None)

    @step("get")
    def get(self) -> None:
        found = self.mfa.get_factor(self.own.id)
        same("factor", (found.id, found.type, found.totp.issuer), (self.own.id, "totp", "Acme & Söhne"))
        assert not hasattr(found.totp, "secret"), "a secret shown twice"

    @step("unknown ids")
    def unknown(self) -> None:
        unknown_user, nothing = "user_01HZZZZZZZZZZZZZZZZZZZZZZZ", "auth_factor_01HZZZZZZZZZZZZZZZZZZZZZZZ"
        for call in (
            lambda: self.users.get_user(unknown_user),
            lambda: self.mfa.create_user_auth_factor(unknown_user, type="totp"),
            lambda: self.mfa.get_factor(nothing),
            lambda: self.mfa.delete_factor(nothing),
            lambda: self.mfa.challenge_factor(nothing),
        ):
            with refused(NotFoundError) as caught:
                call()
            same("code", caught.error.code, "entity_not_found")

    @step("bad secret")
    def bad_secret(self) -> None:
        with refused(UnprocessableEntityError) as caught:
            self.mfa.create_user_auth_factor(self.user.id, type="totp", totp_secret=steps.BAD_SECRET)
        same("status", caught.error.response.status_code, 422)
        same("field", caught.error.errors[0]["field"], "totp_secret")

    @step("wrong key")
    def wrong_key(self) -> None:
        with refused(AuthenticationError) as caught:
            self.stranger.user_management.get_user(self.user.id)
        same("message", caught.error.message, "Unauthorized")

    @step("password")
    def password(self) -> None:
        with refused(MfaChallengeError) as caught:
            self.users.authenticate_with_password(email=self.email, password=steps.PASSWORD)
        same("code", caught.error.code, "mfa_challenge")
        body = caught.error.response_json
        self.pending = body["pending_authentication_token"]
        offered = {factor["id"] for factor in body["authentication_factors"]}
        same("factors", offered, {self.factor.id, self.own.id})

    @step("sign in")
    def sign_in(self) -> None:
        challenge = self.mfa.challenge_factor(self.own.id)
        self.signed_in = self.users.authenticate_with_totp(
            code=steps.code(steps.SECRET),
            authentication_challenge_id=challenge.id,
            pending_authentication_token=self.pending,
        )
        same("user", self.signed_in.user.id, self.user.id)

    @step("jwks")
    def jwks(self) -> None:
        claims = steps.claims_of(self.signed_in.access_token, self.users.get_jwks_url())
        same("subject", claims["sub"], self.user.id)
        kid = jwt.get_unverified_header(self.signed_in.access_token)["kid"]
        assert kid in {key.kid for key in self.users.get_jwks(steps.CLIENT_ID).keys}, "the key is not listed"
        self.session_id = claims["sid"]

    @step("refresh")
    def refresh(self) -> None:
        refreshed = self.users.authenticate_with_refresh_token(refresh_token=self.signed_in.refresh_token)
        claims = steps.claims_of(refreshed.access_token, self.users.get_jwks_url())
        same("session", claims["sid"], self.session_id)
        assert refreshed.refresh_token != self.signed_in.refresh_token, "the refresh token was not changed"
        self.refresh_token = refreshed.refresh_token

    @step("sessions")
    def sessions(self) -> None:
        listed = self.users.list_sessions(self.user.id)
        same("sessions", [(one.id, one.status) for one in listed.data], [(self.session_id, "active")])
        self.users.revoke_session(session_id=self.session_id)
        same("revoked", (self.users.list_sessions(self.user.id)).data, [])
        with refused(BadRequestError):
            self.users.authenticate_with_refresh_token(refresh_token=self.refresh_token)

    @step("events")
    def events(self) -> None:
        names = ["user.created", "authentication.mfa_succeeded", "session.created", "session.revoked"]
        # Without an order this SDK walks from the oldest event on.
        listed = self.client.events.list_events(events=names, limit=20)
        found: set[str] = set()
        for event in listed.auto_paging_iter():
            if self.user.id in {getattr(event.data, "user_id", ""), getattr(event.data, "id", "")}:
                found.add(event.event)
        same("events", found, set(names))

    @step("webhook")
    def webhook(self) -> None:
        with subscribed("user.updated") as inbox:
            self.users.update_user(self.user.id, first_name="Kim")
            letter = inbox.next()
            said = {"event_body": letter.body, "event_signature": letter.signature}
            event = self.client.webhooks.verify_event(**said, secret=inbox.secret)
            same("event", (event.event, event.data.id), ("user.updated", self.user.id))
            with refused(ValueError):
                self.client.webhooks.verify_event(**said, secret="whsec_wrong")

    @step("recovery code")
    def recovery_code(self) -> None:
        first, second, *_ = steps.recovery_codes(self.user.id)
        challenge = self.mfa.challenge_factor(self.own.id)
        same("valid", self.mfa.verify_challenge(challenge.id, code=first).valid, True)
        challenge = self.mfa.challenge_factor(self.own.id)
        same("valid twice", self.mfa.verify_challenge(challenge.id, code=first).valid, False)
        with refused(MfaChallengeError) as caught:
            self.users.authenticate_with_password(email=self.email, password=steps.PASSWORD)
        signed_in = self.users.authenticate_with_totp(
            code=second,
            authentication_challenge_id=challenge.id,
            pending_authentication_token=caught.error.response_json["pending_authentication_token"],
        )
        claims = steps.claims_of(signed_in.access_token, self.users.get_jwks_url())
        same("methods", claims["amr"], steps.WITH_RECOVERY_CODE)

    @step("delete")
    def delete(self) -> None:
        self.mfa.delete_factor(self.factor.id)
        with refused(NotFoundError):
            self.mfa.get_factor(self.factor.id)

    @step("delete user")
    def delete_user(self) -> None:
        self.users.delete_user(self.user.id)
        with refused(NotFoundError):
            self.users.get_user(self.user.id)
        with refused(NotFoundError):
            self.mfa.get_factor(self.own.id)


def main() -> int:
    place = {"client_id": steps.CLIENT_ID, "base_url": steps.BASE_URL}
    client = workos.WorkOSClient(api_key=steps.API_KEY, **place)
    return asyncio.run(steps.walk(Life(client, workos.WorkOSClient(api_key="sk_test_wrong", **place))))


if __name__ == "__main__":
    sys.exit(main())
