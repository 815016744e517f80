"""Sessions: starting one, refreshing its tokens, listing, ending."""

import hashlib
from typing import Any, Final, NamedTuple

import msgspec

from authfactor import errors, ids
from authfactor.crypto import jwt_rs256
from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.ids import IdGenerator
from authfactor.models import (
    Clock,
    Entropy,
    Environment,
    PageQuery,
    RecordPage,
    RefreshToken,
    SessionRecord,
    SignedIn,
    UserRecord,
)
from authfactor.rules import pagination
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.authentication.token_signing import TokenSigning
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.settings import Settings
from authfactor.store import Store, Tx, Unit
from authfactor.wire import authentication

ONE_STEP: Final = "pwd"
TWO_STEPS: Final = "pwd otp mfa"


class TokenPair(NamedTuple):
    """An access token and the refresh token that follows it."""

    access_token: str
    refresh_token: str


class PreparedSession(NamedTuple):
    """A session that is about to start, with its tokens already signed."""

    session: SessionRecord
    pair: TokenPair


def token_hash(token: str) -> bytes:
    """Return what is stored of a token of 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Sessions:
    """Starts, refreshes, lists and ends sessions."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        new_id: IdGenerator,
        vault: Vault,
        log: EventLog,
        settings: Settings,
        signing: TokenSigning,
    ) -> None:
        """Take what the rules may use."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._vault = vault
        self._log = log
        self._settings = settings
        self._signing = signing

    async def prepare(
        self,
        store: Store,
        environment: Environment,
        user_id: str,
        *,
        amr: str,
        now: int,
        ip_address: str | None,
        user_agent: str | None,
    ) -> PreparedSession:
        """Make a session and sign its first token, before any lock is held; `start` writes it."""
        session = SessionRecord(
            id=self._new_id(ids.SESSION),
            user_id=user_id,
            ip_address=ip_address,
            user_agent=user_agent,
            auth_method="password",
            amr=amr,
            authenticated_at=now,
            mfa_at=now if amr == TWO_STEPS else None,
            last_active_at=now,
            expires_at=now + self._settings.session_life * 1000,
            ended_at=None,
            created_at=now,
            updated_at=now,
        )
        return PreparedSession(session, await self._pair(store, environment, session, now))

    async def start(
        self, tx: Tx, environment: Environment, user: UserRecord, opening: PreparedSession
    ) -> SignedIn:
        """Write a prepared session, its refresh token and its event."""
        session, pair = opening
        now = session.created_at
        await tx.sessions.insert(environment.number, session)
        await tx.sessions.insert_refresh(environment.number, token_hash(pair.refresh_token), session.id, now)
        await tx.users.signed_in(environment.number, user.id, now)
        shape = authentication.session(session, now)
        await self._log.append(tx, environment.number, event_log.SESSION_CREATED, user.id, shape, now)
        return SignedIn(msgspec.structs.replace(user, last_sign_in_at=now), *pair)

    async def refresh(self, store: Store, environment: Environment, refresh_token: str) -> Unit[SignedIn]:
        """Prepare a refresh: a token works once.

        For `refresh_grace` seconds after that it gives the same pair again (an answer may have been
        lost); later use ends the session, because someone else may have the token.
        """
        now = self._clock()
        hashed = token_hash(refresh_token)
        number = environment.number
        session = await store.read(lambda tx: _session_of(tx, number, hashed))
        pair = await self._pair(store, environment, session, now)
        sealed = self._vault.seal(msgspec.json.encode(pair), _successor_row(number, hashed))

        async def run(tx: Tx) -> SignedIn:
            latest = await tx.sessions.by_id(number, session.id)
            if latest is None or not self._is_alive(latest, now):
                raise _refused()
            user = await tx.users.by_id(number, latest.user_id)
            if user is None:
                raise _refused()
            if await tx.sessions.spend_refresh(number, hashed, now, sealed):
                if not await tx.sessions.touch(number, latest.id, now):
                    raise _refused()
                await tx.sessions.insert_refresh(number, token_hash(pair.refresh_token), latest.id, now)
                return SignedIn(user, *pair)
            spent = await tx.sessions.refresh_by_hash(number, hashed)
            return await self._again(tx, environment, user, latest, spent, hashed, now)

        return run

    async def _again(
        self,
        tx: Tx,
        environment: Environment,
        user: UserRecord,
        session: SessionRecord,
        spent: RefreshToken | None,
        hashed: bytes,
        now: int,
    ) -> SignedIn:
        """Answer a refresh token that was spent before."""
        if spent is None or spent.spent_at is None or spent.successor is None:
            raise _refused()
        if now - spent.spent_at <= self._settings.refresh_grace * 1000:
            text = self._vault.unseal(spent.successor, _successor_row(environment.number, hashed))
            return SignedIn(user, *msgspec.json.decode(text, type=TokenPair))
        await self._end(tx, environment, session, now)
        raise _refused("Refresh token already exchanged.").after_commit()

    def page(
        self, environment: Environment, user_id: str, query: PageQuery
    ) -> Unit[RecordPage[SessionRecord]]:
        """List a user's active sessions. The unit raises `NotFound`, `InvalidRequest` for a bad cursor."""
        now = self._clock()

        async def run(tx: Tx) -> RecordPage[SessionRecord]:
            if await tx.users.by_id(environment.number, user_id) is None:
                raise errors.NotFound("User", user_id)
            for field, cursor in (("before", query.before), ("after", query.after)):
                at = await tx.sessions.by_id(environment.number, cursor) if cursor else None
                if cursor and (at is None or at.user_id != user_id):
                    raise pagination.unknown_cursor(field, cursor)
            idle = self._settings.session_inactivity * 1000
            items, more_before, more_after = await tx.sessions.active_page(
                environment.number, user_id, query, now, now - idle if idle else -1
            )
            return pagination.page(items, query, more_before=more_before, more_after=more_after)

        return run

    def revoke(self, environment: Environment, session_id: str) -> Unit[None]:
        """End a session; ending an ended one changes nothing. The unit raises `NotFound`."""
        now = self._clock()

        async def run(tx: Tx) -> None:
            session = await tx.sessions.by_id(environment.number, session_id)
            if session is None:
                raise errors.NotFound("Session", session_id)
            await self._end(tx, environment, session, now)

        return run

    async def _end(self, tx: Tx, environment: Environment, session: SessionRecord, now: int) -> None:
        if await tx.sessions.end(environment.number, session.id, now):
            ended = msgspec.structs.replace(session, ended_at=now, updated_at=now)
            shape = authentication.session(ended, now)
            await self._log.append(
                tx, environment.number, event_log.SESSION_REVOKED, session.user_id, shape, now
            )

    def _is_alive(self, session: SessionRecord, now: int) -> bool:
        idle = self._settings.session_inactivity * 1000
        return (
            session.ended_at is None
            and session.expires_at > now
            and (not idle or session.last_active_at + idle > now)
        )

    async def _pair(
        self, store: Store, environment: Environment, session: SessionRecord, now: int
    ) -> TokenPair:
        # Whole seconds, rounded down: a token "from the future" is refused by PyJWT.
        seconds = now // 1000
        claims: dict[str, Any] = {
            "iss": self._settings.base_url,
            "sub": session.user_id,
            "sid": session.id,
            "jti": self._new_id(""),
            "iat": seconds,
            "exp": seconds + self._settings.access_token_life,
            "client_id": environment.client_id,
            "auth_time": session.authenticated_at // 1000,
            "amr": session.amr.split(" "),
            "acr": jwt_rs256.ACR_ONE_STEP if session.mfa_at is None else jwt_rs256.ACR_TWO_STEPS,
        }
        if session.mfa_at is not None:
            claims["mfa_at"] = session.mfa_at // 1000
        return TokenPair(await self._signing.sign(store, environment, claims), random_token(self._entropy))


async def _session_of(tx: Tx, environment: int, hashed: bytes) -> SessionRecord:
    token = await tx.sessions.refresh_by_hash(environment, hashed)
    session = await tx.sessions.by_id(environment, token.session_id) if token else None
    if session is None:
        raise _refused()
    return session


def _successor_row(environment: int, hashed: bytes) -> SealedLocation:
    return SealedLocation("refresh_tokens", "successor", environment, hashed.hex())


def _refused(text: str = "Invalid refresh token.") -> errors.OAuthRefused:
    return errors.OAuthRefused("invalid_grant", text)
