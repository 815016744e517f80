"""The whole life through workos 5: `python life_5.py [async]`.

This version's asynchronous client has no `mfa`: its users take the synchronous client's, and so does this.
"""

import asyncio
import sys
from collections.abc import AsyncIterator

import steps
import workos
from inbox import subscribed
from steps import Answer, refused, same, settled, step
from workos.exceptions import (
    AuthenticationException,
    AuthorizationException,
    BadRequestException,
    NotFoundException,
)
from workos.webhooks import Webhooks


class Life:
    def __init__(self, client: Answer, mfa: Answer, stranger: Answer) -> None:
        self.client, self.users, self.mfa = client, client.user_management, mfa
        self.stranger = stranger
        self.email = steps.unique_email()

    @step("create user")
    async def create(self) -> None:
        self.user = await settled(
            self.users.create_user(email=self.email, password=steps.PASSWORD, email_verified=True)
        )
        same("email", self.user.email, self.email)
        same("read again", await settled(self.users.get_user(self.user.id)), self.user)

    @step("enroll")
    async def enroll(self) -> None:
        made = await settled(self.users.enroll_auth_factor(user_id=self.user.id, type="totp"))
        self.factor, self.challenge = made.authentication_factor, made.authentication_challenge
        same("account", self.factor.totp.user, self.email)
        same("challenged factor", self.challenge.authentication_factor_id, self.factor.id)
        assert self.challenge.expires_at, "expires_at is missing"

    @step("enroll own")
    async def enroll_own(self) -> None:
        made = await settled(
            self.users.enroll_auth_factor(
                user_id=self.user.id,
                type="totp",
                totp_issuer="Acme & Söhne",
                totp_user="kim+2@example.org",
                totp_secret=steps.SECRET,
            )
        )
        self.own = made.authentication_factor
        totp = self.own.totp
        same("own values", (totp.issuer, totp.user), ("Acme & Söhne", "kim+2@example.org"))
        same("own secret", totp.secret, steps.SECRET)

    @step("qr code")
    async def qr_code(self) -> None:
        for factor in (self.factor, self.own):
            same("picture", steps.text_in_picture(factor.totp.qr_code), factor.totp.uri)
            assert f"secret={factor.totp.secret}" in factor.totp.uri, "no secret in the URI"

    @step("wrong code")
    async def wrong_code(self) -> None:
        same(
            "valid", await self.verified(self.challenge.id, steps.wrong_code(self.factor.totp.secret)), False
        )

    @step("verify")
    async def verify(self) -> None:
        self.code = steps.code(self.factor.totp.secret)
        same("valid", await self.verified(self.challenge.id, self.code), True)

    @step("challenge")
    async def ask(self) -> None:
        self.again = await settled(self.mfa.challenge_factor(authentication_factor_id=self.factor.id))
        same("challenged factor", self.again.authentication_factor_id, self.factor.id)
        assert self.again.id != self.challenge.id, "the same challenge twice"

    @step("replay")
    async def replay(self) -> None:
        same("valid", await self.verified(self.again.id, self.code), False)

    async def verified(self, challenge_id: str, code: str) -> bool:
        answer = await settled(self.mfa.verify_challenge(authentication_challenge_id=challenge_id, code=code))
        same("challenge", answer.challenge.id, challenge_id)
        return answer.valid

    @step("list")
    async def pages(self) -> None:
        first = await settled(self.users.list_auth_factors(user_id=self.user.id, limit=1))
        same("first page", [factor.id for factor in first.data], [self.own.id])
        after = first.list_metadata.after
        second = await settled(self.users.list_auth_factors(user_id=self.user.id, limit=1, after=after))
        same("second page", [factor.id for factor in second.data], [self.factor.id])
        same("end of the list", second.list_metadata.after, None)

    @step("get")
    async def get(self) -> None:
        found = await settled(self.mfa.get_factor(self.own.id))
        same("factor", (found.id, found.type, found.totp.issuer), (self.own.id, "totp", "Acme & Söhne"))
        assert not hasattr(found.totp, "secret"), "a secret shown twice"

    @step("unknown ids")
    async def unknown(self) -> None:
        unknown_user, nothing = "user_01HZZZZZZZZZZZZZZZZZZZZZZZ", "auth_factor_01HZZZZZZZZZZZZZZZZZZZZZZZ"
        for call in (
            lambda: self.users.get_user(unknown_user),
            lambda: self.users.enroll_auth_factor(user_id=unknown_user, type="totp"),
            lambda: self.mfa.get_factor(nothing),
            lambda: self.mfa.delete_factor(nothing),
            lambda: self.mfa.challenge_factor(authentication_factor_id=nothing),
        ):
            with refused(NotFoundException) as caught:
                await settled(call())
            same("code", caught.error.code, "entity_not_found")

    @step("bad secret")
    async def bad_secret(self) -> None:
        with refused(BadRequestException) as caught:
            await settled(
                self.users.enroll_auth_factor(user_id=self.user.id, type="totp", totp_secret=steps.BAD_SECRET)
            )
        same("status", caught.error.response.status_code, 422)
        same("field", caught.error.errors[0]["field"], "totp_secret")

    @step("wrong key")
    async def wrong_key(self) -> None:
        with refused(AuthenticationException) as caught:
            await settled(self.stranger.user_management.get_user(self.user.id))
        same("message", caught.error.message, "Unauthorized")

    @step("password")
    async def password(self) -> None:
        with refused(AuthorizationException) as caught:
            await settled(self.users.authenticate_with_password(email=self.email, password=steps.PASSWORD))
        same("code", caught.error.code, "mfa_challenge")
        body = caught.error.response_json
        self.pending = body["pending_authentication_token"]
        offered = {factor["id"] for factor in body["authentication_factors"]}
        same("factors", offered, {self.factor.id, self.own.id})

    @step("sign in")
    async def sign_in(self) -> None:
        challenge = await settled(self.mfa.challenge_factor(authentication_factor_id=self.own.id))
        self.signed_in = await settled(
            self.users.authenticate_with_totp(
                code=steps.code(steps.SECRET),
                authentication_challenge_id=challenge.id,
                pending_authentication_token=self.pending,
            )
        )
        same("user", self.signed_in.user.id, self.user.id)

    @step("jwks")
    async def jwks(self) -> None:
        claims = steps.claims_of(self.signed_in.access_token, self.users.get_jwks_url())
        same("subject", claims["sub"], self.user.id)
        self.session_id = claims["sid"]

    @step("refresh")
    async def refresh(self) -> None:
        refreshed = await settled(
            self.users.authenticate_with_refresh_token(refresh_token=self.signed_in.refresh_token)
        )
        claims = steps.claims_of(refreshed.access_token, self.users.get_jwks_url())
        same("session", claims["sid"], self.session_id)
        assert refreshed.refresh_token != self.signed_in.refresh_token, "the refresh token was not changed"
        self.refresh_token = refreshed.refresh_token

    @step("sessions")
    async def sessions(self) -> None:
        listed = await settled(self.users.list_sessions(user_id=self.user.id))
        same("sessions", [(one.id, one.status) for one in listed.data], [(self.session_id, "active")])
        await settled(self.users.revoke_session(session_id=self.session_id))
        same("revoked", (await settled(self.users.list_sessions(user_id=self.user.id))).data, [])
        with refused(BadRequestException):
            await settled(self.users.authenticate_with_refresh_token(refresh_token=self.refresh_token))

    @step("events")
    async def events(self) -> None:
        names = ["user.created", "authentication.mfa_succeeded", "session.created", "session.revoked"]
        # Without an order this SDK walks from the oldest event on.
        listed = await settled(self.client.events.list_events(events=names, limit=20))
        found: set[str] = set()
        async for event in self.each(listed):
            if self.user.id in {getattr(event.data, "user_id", ""), getattr(event.data, "id", "")}:
                found.add(event.event)
        same("events", found, set(names))

    async def each(self, listed: Answer) -> AsyncIterator[Answer]:
        """Walk every page the client's own way: a list offers both, whichever client it is from."""
        if isinstance(self.client, workos.AsyncWorkOSClient):
            async for item in listed:
                yield item
        else:
            for item in listed:
                yield item

    @step("webhook")
    async def webhook(self) -> None:
        with subscribed("user.updated") as inbox:
            await settled(self.users.update_user(user_id=self.user.id, first_name="Kim"))
            letter = await asyncio.to_thread(inbox.next)
            said = {"event_body": letter.body, "event_signature": letter.signature}
            event = Webhooks().verify_event(**said, secret=inbox.secret)
            same("event", (event.event, event.data.id), ("user.updated", self.user.id))
            with refused(ValueError):
                Webhooks().verify_event(**said, secret="whsec_wrong")

    @step("recovery code")
    async def recovery_code(self) -> None:
        first, second, *_ = steps.recovery_codes(self.user.id)
        challenge = await settled(self.mfa.challenge_factor(authentication_factor_id=self.own.id))
        same("valid", await self.verified(challenge.id, first), True)
        challenge = await settled(self.mfa.challenge_factor(authentication_factor_id=self.own.id))
        same("valid twice", await self.verified(challenge.id, first), False)
        with refused(AuthorizationException) as caught:
            await settled(self.users.authenticate_with_password(email=self.email, password=steps.PASSWORD))
        signed_in = await settled(
            self.users.authenticate_with_totp(
                code=second,
                authentication_challenge_id=challenge.id,
                pending_authentication_token=caught.error.response_json["pending_authentication_token"],
            )
        )
        claims = steps.claims_of(signed_in.access_token, self.users.get_jwks_url())
        same("methods", claims["amr"], steps.WITH_RECOVERY_CODE)

    @step("delete")
    async def delete(self) -> None:
        await settled(self.mfa.delete_factor(self.factor.id))
        with refused(NotFoundException):
            await settled(self.mfa.get_factor(self.factor.id))

    @step("delete user")
    async def delete_user(self) -> None:
        await settled(self.users.delete_user(self.user.id))
        with refused(NotFoundException):
            await settled(self.users.get_user(self.user.id))
        with refused(NotFoundException):
            await settled(self.mfa.get_factor(self.own.id))


def main(mode: str) -> int:
    make = workos.AsyncWorkOSClient if mode == "async" else workos.WorkOSClient
    place = {"client_id": steps.CLIENT_ID, "base_url": f"{steps.BASE_URL}/"}
    mfa = workos.WorkOSClient(api_key=steps.API_KEY, **place).mfa
    life = Life(make(api_key=steps.API_KEY, **place), mfa, make(api_key="sk_test_wrong", **place))
    return asyncio.run(steps.walk(life))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or ["sync"]))
