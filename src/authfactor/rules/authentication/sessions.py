"""Sessions: start, refresh tokens, list, end."""

import contextlib
from typing import NamedTuple

import msgspec

from authfactor import errors, ids
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
from authfactor.rules.authentication import session_state
from authfactor.rules.authentication.applied_policy import options_of
from authfactor.rules.authentication.opaque_tokens import random_token, token_hash
from authfactor.rules.authentication.step_up import StepUp, may_be_due, with_deadline
from authfactor.rules.authentication.token_signing import TokenSigning
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Shared, Store, Unit
from authfactor.wire import authentication


class TokenPair(NamedTuple):
    """An access token and the refresh token that replaces it."""

    access_token: str
    refresh_token: str


class PreparedSession(NamedTuple):
    """A session that is not written yet, with its first tokens already signed.

    `invitation_id` is the invitation that its user accepts with it.
    """

    session: SessionRecord
    tokens: TokenPair
    invitation_id: str | None = None


class PreparedRefresh(NamedTuple):
    """A refresh that is not written yet: its session, the hash of the token, and the sealed new pair."""

    session_id: str
    token_hash: bytes
    tokens: TokenPair
    successor: str
    spent: bool


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
        step_up: StepUp,
    ) -> None:
        """Keep the collaborators; time and randomness come from `clock` and `entropy` alone."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._vault = vault
        self._log = log
        self._settings = settings
        self._signing = signing
        self._step_up = step_up

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
        trusted_device_id: str | None = None,
    ) -> PreparedSession:
        """Build a session and sign its first tokens, before any lock is held; `start` writes it.

        `now` in milliseconds: the time of the sign-in. `trusted_device_id`: what replaced the second factor.
        """
        session = SessionRecord(
            id=self._new_id(ids.SESSION),
            user_id=user_id,
            ip_address=ip_address,
            user_agent=user_agent,
            auth_method=session_state.auth_method_of(amr),
            amr=amr,
            authenticated_at=now,
            mfa_at=now if session_state.has_second_factor(amr) else None,
            last_active_at=now,
            expires_at=now + self._settings.session_life * 1000,
            ended_at=None,
            created_at=now,
            updated_at=now,
            trusted_device_id=trusted_device_id,
        )
        return PreparedSession(session, await self._new_tokens(store, environment, session, now))

    async def sign(
        self, store: Store, environment: Environment, session: SessionRecord, now: int
    ) -> PreparedSession:
        """Sign tokens of a session that is made elsewhere, or goes on."""
        return PreparedSession(session, await self._new_tokens(store, environment, session, now))

    async def start(self, scope: Scope, user: UserRecord, prepared: PreparedSession) -> SignedIn:
        """Write a prepared session, its refresh token and its event, and accept its invitation.

        Raises `OAuthRefused` for an invitation that is not open any more, which undoes the unit.
        """
        session, tokens, invitation_id = prepared
        now, sessions = session.created_at, scope.tx.sessions
        if invitation_id is not None:
            from authfactor.rules.email_flows import invitation_use  # noqa: PLC0415 - seldom

            await invitation_use.accept_with_session(scope, self._log, invitation_id, user)
        await sessions.insert(scope.number, session)
        await sessions.insert_refresh(scope.number, token_hash(tokens.refresh_token), session.id, now)
        await scope.tx.users.record_sign_in(scope.number, user.id, now)
        shape = authentication.session(session, now)
        await self._log.append(scope, event_log.SESSION_CREATED, user.id, shape)
        signed_in = msgspec.structs.replace(user, last_sign_in_at=now)
        return SignedIn(signed_in, *tokens, auth_method=session.auth_method)

    async def is_unused(self, scope: Scope, user: UserRecord, session_id: str, refresh_token: str) -> bool:
        """Return whether a session is alive, its second factor counts, and its first token is unspent."""
        session = await scope.tx.sessions.by_id(scope.number, session_id)
        if session is None or not self.is_alive(session, scope.now):
            return False
        if session.mfa_at is None and not await self._step_up.is_trusted(scope, user, session):
            return False
        token = await scope.tx.sessions.refresh_by_hash(scope.number, token_hash(refresh_token))
        return token is not None and token.spent_at is None

    async def prepare_refresh(
        self, store: Store, environment: Environment, refresh_token: str, *, has_secret: bool = True
    ) -> Unit[SignedIn]:
        """Prepare a refresh: a refresh token works once.

        For `refresh_grace` seconds after that it returns the same new tokens again, because a response may
        have been lost; later use ends the session, because someone else may have the token (RFC 9700
        section 4.14.2). Raises `OAuthRefused` for an unknown token, and without the secret of a client with
        one; the unit raises it too, and `StepUpRequired` for a session that today's policy would not start.
        """
        now = self._clock()
        hashed = token_hash(refresh_token)
        token, session = await store.read(lambda tx: _session_of(Scope(tx, environment, now), hashed))
        if not has_secret and session.client_kind == "confidential":
            raise errors.OAuthRefused("invalid_client", "This session needs the client secret.")
        tokens = await self._new_tokens(store, environment, session, now)
        successor = self._vault.seal(msgspec.json.encode(tokens), _successor_row(environment.number, hashed))
        spent = token.spent_at is not None
        prepared = PreparedRefresh(session.id, hashed, tokens, successor, spent)
        return Shared("Sessions.refresh", lambda tx: self._refresh(Scope(tx, environment, now), prepared))

    async def _refresh(self, scope: Scope, prepared: PreparedRefresh) -> SignedIn:
        number, now, sessions = scope.number, scope.now, scope.tx.sessions
        hashed, tokens = prepared.token_hash, prepared.tokens
        session = await sessions.by_id(number, prepared.session_id)
        if session is None or not self.is_alive(session, now):
            raise _refused()
        user = await scope.tx.users.by_id(number, session.user_id)
        if user is None:
            raise _refused()
        # Not for a spent token: its grace period and its replay are `_refresh_spent`'s.
        grace = None
        if may_be_due(scope.environment, session, user, now) and not prepared.spent:
            step_up = await self._step_up.demand(scope, user, user.password_hash, session)
            if isinstance(step_up, errors.StepUpRequired):
                step_up.sign_in_url = options_of(scope.environment.options).sign_in_url
            if isinstance(step_up, errors.SignInRefused):
                raise step_up.after_commit()
            grace = step_up
        if await sessions.spend_refresh(number, hashed, now, prepared.successor):
            if not await sessions.touch(number, session.id, now):
                raise _refused()
            await sessions.insert_refresh(number, token_hash(tokens.refresh_token), session.id, now)
            signed_in = SignedIn(user, *tokens, auth_method=session.auth_method)
            return signed_in if grace is None else with_deadline(signed_in, grace)
        spent = await sessions.refresh_by_hash(number, hashed)
        return await self._refresh_spent(scope, user, session, spent, hashed)

    async def _refresh_spent(
        self,
        scope: Scope,
        user: UserRecord,
        session: SessionRecord,
        spent: RefreshToken | None,
        hashed: bytes,
    ) -> SignedIn:
        """Return the successors of a spent token during its grace period; after it, end the session."""
        if spent is None or spent.spent_at is None or spent.successor is None:
            raise _refused()
        if scope.now - spent.spent_at <= self._settings.refresh_grace * 1000:
            text = self._vault.unseal(spent.successor, _successor_row(scope.number, hashed))
            pair = msgspec.json.decode(text, type=TokenPair)
            return SignedIn(user, *pair, auth_method=session.auth_method)
        await self._end(scope, session)
        raise _refused("Refresh token already exchanged.").after_commit()

    @unit
    async def page(self, scope: Scope, user_id: str, query: PageQuery) -> RecordPage[SessionRecord]:
        """List a user's active sessions. Raises `NotFound`, and `InvalidRequest` for an unknown cursor."""
        if await scope.tx.users.by_id(scope.number, user_id) is None:
            raise errors.NotFound("User", user_id)
        for field, cursor in (("before", query.before), ("after", query.after)):
            at = await scope.tx.sessions.by_id(scope.number, cursor) if cursor else None
            if cursor and (at is None or at.user_id != user_id):
                raise pagination.unknown_cursor(field, cursor)
        idle_since = session_state.idle_since(self._settings, scope.now)
        items, more_before, more_after = await scope.tx.sessions.active_page(
            scope.number, user_id, query, scope.now, idle_since
        )
        return pagination.page(items, query, more_before=more_before, more_after=more_after)

    @unit
    async def revoke(self, scope: Scope, session_id: str, *, user_id: str | None = None) -> None:
        """End a session; ending an ended one changes nothing.

        Raises `NotFound`, also when a `user_id` is given and the session is another user's.
        """
        session = await scope.tx.sessions.by_id(scope.number, session_id)
        if session is None or user_id not in {None, session.user_id}:
            raise errors.NotFound("Session", session_id)
        await self._end(scope, session)

    async def log_out(self, store: Store, session_id: str) -> Environment | None:
        """End a session named by its id alone, which needs no credentials, and return its environment.

        Only the end of an open session writes; for all other ids a stranger costs one look-up. None: the
        installation has several environments, and none of them has the session.
        """
        found = await store.read(lambda tx: tx.environments.of_session(session_id))
        if found is None:
            return None
        environment, is_open = found
        if is_open:
            # The session may have been deleted in the meantime, with its user.
            with contextlib.suppress(errors.NotFound):
                await store.write(self.revoke(environment, session_id))
        return environment

    @unit
    async def require_active(self, scope: Scope, user_id: str | None, session_id: str | None) -> None:
        """Raise `OAuthRefused` if the session of a sign-in is not active, or its user does not exist anymore.

        A sign-in without a session waits for a factor; one without a user was refused.
        """
        if session_id is not None:
            session = await scope.tx.sessions.by_id(scope.number, session_id)
            active = session is not None and self.is_alive(session, scope.now)
        else:
            active = user_id is None or await scope.tx.users.by_id(scope.number, user_id) is not None
        if not active:
            raise _refused("This sign-in has ended. Sign in again, with a new Idempotency-Key.")

    async def end_replaced(self, scope: Scope, session_id: str) -> bool:
        """End a session that a new sign-in replaces; False if it has ended before."""
        session = await scope.tx.sessions.by_id(scope.number, session_id)
        return session is not None and await self._end(scope, session)

    async def end_of_user(self, scope: Scope, user_id: str, *, keep: str = "") -> None:
        """End all of a user's sessions but `keep`, with an event for each that was active.

        No device is trusted then, and no browser signed in.
        """
        from authfactor.rules.authentication.trusted_device_endings import end_devices  # noqa: PLC0415 - seldom

        await end_devices(scope, self._log, user_id, "sessions_revoked")
        await scope.tx.browser_sessions.end_of_user(scope.number, user_id, scope.now, keep)
        ended = await scope.tx.sessions.end_of_user(scope.number, user_id, scope.now, keep)
        await self._emit_ended(scope, user_id, ended)

    async def end_of_device(self, scope: Scope, user_id: str, device_id: str) -> None:
        """End the sessions that a user's trusted device started."""
        ended = await scope.tx.sessions.end_of_device(scope.number, user_id, device_id, scope.now)
        await self._emit_ended(scope, user_id, ended)

    async def _emit_ended(self, scope: Scope, user_id: str, ended: list[SessionRecord]) -> None:
        shapes = [
            authentication.session(session, scope.now)
            for session in ended
            if not session_state.is_expired(session, self._settings, scope.now)
        ]
        await self._log.append_all(scope, event_log.SESSION_REVOKED, user_id, shapes)

    async def _end(self, scope: Scope, session: SessionRecord) -> bool:
        if not await scope.tx.sessions.end(scope.number, session.id, scope.now):
            return False
        if session.browser_session_id is not None:
            # Else the next authorization request of the browser would sign it in again.
            await scope.tx.browser_sessions.end(scope.number, session.browser_session_id, scope.now)
        ended = msgspec.structs.replace(session, ended_at=scope.now, updated_at=scope.now)
        shape = authentication.session(ended, scope.now)
        await self._log.append(scope, event_log.SESSION_REVOKED, session.user_id, shape)
        return True

    def is_alive(self, session: SessionRecord, now: int) -> bool:
        """Return whether a session has neither ended nor expired."""
        return session_state.is_alive(session, self._settings, now)

    async def _new_tokens(
        self, store: Store, environment: Environment, session: SessionRecord, now: int
    ) -> TokenPair:
        claims = session_state.claims_of(session, environment, self._settings, self._new_id(""), now)
        return TokenPair(await self._signing.sign(store, environment, claims), random_token(self._entropy))


async def _session_of(scope: Scope, hashed: bytes) -> tuple[RefreshToken, SessionRecord]:
    """Return a refresh token and its session. Raises `OAuthRefused` for an unknown token."""
    found = await scope.tx.sessions.refresh_with_session(scope.number, hashed)
    if found is None:
        raise _refused()
    return found


def _successor_row(environment: int, hashed: bytes) -> SealedLocation:
    return SealedLocation("refresh_tokens", "successor", environment, hashed.hex())


def _refused(text: str = "Invalid refresh token.") -> errors.OAuthRefused:
    return errors.OAuthRefused("invalid_grant", text)
