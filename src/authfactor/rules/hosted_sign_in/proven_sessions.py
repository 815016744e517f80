"""Sessions made of what a user has proven on the pages: new ones, and ones that go on with a new proof."""

from typing import NamedTuple

import msgspec

from authfactor import errors, ids
from authfactor.ids import IdGenerator
from authfactor.models import Environment, SessionRecord, SignedIn, UserRecord
from authfactor.models.hosted_sign_in import AuthenticationProof, ClientKind
from authfactor.rules.authentication import session_state
from authfactor.rules.authentication.opaque_tokens import token_hash
from authfactor.rules.authentication.sessions import PreparedSession, Sessions
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.authentication.step_up import StepUp, password_mark, with_deadline
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.hosted_sign_in.browser_sessions import BrowserSessions
from authfactor.rules.unit import Scope
from authfactor.settings import Settings
from authfactor.store import Store
from authfactor.wire.requests import Authenticate


class SessionSource(NamedTuple):
    """What a session is made of. `continues`: the id of the session that goes on, if it still can.

    `is_other_device`: the session is not one of the browser whose hosted session `browser_session_id` is.
    """

    proof: AuthenticationProof
    browser_session_id: str
    client_kind: ClientKind
    ip_address: str | None
    user_agent: str | None
    continues: str | None = None
    is_other_device: bool = False


class PreparedSource(NamedTuple):
    """A source with its session and signed tokens; `before` is the session that goes on, as it was read."""

    source: SessionSource
    prepared: PreparedSession
    before: SessionRecord | None


class ProofVoid(errors.AuthfactorError):
    """The user, the password or the hosted session behind a proof is gone."""


class ProvenSessions:
    """Prepares and starts sessions."""

    def __init__(
        self,
        new_id: IdGenerator,
        log: EventLog,
        settings: Settings,
        sessions: Sessions,
        step_up: StepUp,
        browsers: BrowserSessions,
    ) -> None:
        """Keep the collaborators."""
        self._new_id = new_id
        self._settings = settings
        self._events = SignInEvents(log)
        self._sessions = sessions
        self._step_up = step_up
        self._browsers = browsers

    async def prepare(
        self, store: Store, environment: Environment, source: SessionSource, now: int
    ) -> PreparedSource:
        """Sign the first tokens, before any lock is held."""
        proof, before = source.proof, None
        if source.continues is not None:
            continued = source.continues
            before = await store.read(lambda tx: tx.sessions.by_id(environment.number, continued))
        if before is not None and self._goes_on(before, source, now):
            session = _with_proof(before, proof, now)
            prepared = await self._sessions.sign(store, environment, session, now)
            return PreparedSource(source, prepared, before)
        session = SessionRecord(
            id=self._new_id(ids.SESSION),
            user_id=proof.user_id,
            ip_address=source.ip_address,
            user_agent=source.user_agent,
            auth_method=proof.auth_method,
            amr=proof.amr,
            authenticated_at=proof.authenticated_at,
            mfa_at=proof.mfa_at,
            last_active_at=now,
            expires_at=now + self._settings.session_life * 1000,
            ended_at=None,
            created_at=now,
            updated_at=now,
            trusted_device_id=proof.trusted_device_id,
            browser_session_id=None if source.is_other_device else source.browser_session_id,
            client_kind=source.client_kind,
        )
        return PreparedSource(source, await self._sessions.sign(store, environment, session, now), None)

    async def start(self, scope: Scope, ready: PreparedSource) -> SignedIn:
        """Start the session, or let the one go on. The caller has locked the user and spent the code.

        Raises `ProofVoid`, which undoes the unit; `StepUpRequired`, after the commit, if the policy asks for
        more than was proven; and `Unavailable` if the session that goes on changed meanwhile.
        """
        source, proof, number = ready.source, ready.source.proof, scope.number
        user = await scope.tx.users.by_id(number, proof.user_id)
        browser = await self._browsers.by_id(scope, source.browser_session_id)
        if user is None or browser is None or password_mark(user.password_hash) != proof.password_mark:
            raise ProofVoid("What this sign-in was made of is gone.")
        step_up = await self._step_up.demand(scope, user, user.password_hash, proven=proof)
        if isinstance(step_up, errors.SignInRefused):
            raise step_up.after_commit()
        session_id = ready.prepared.session.id
        if not source.is_other_device:
            await scope.tx.browser_sessions.set_last_session(number, browser.id, session_id)
        if ready.before is None:
            signed_in = await self._sessions.start(scope, user, ready.prepared)
        else:
            signed_in = await self._continue(scope, user, ready, ready.before)
        return signed_in if step_up is None else with_deadline(signed_in, step_up)

    async def _continue(
        self, scope: Scope, user: UserRecord, ready: PreparedSource, before: SessionRecord
    ) -> SignedIn:
        """Set the new proof of a session, and begin another chain of refresh tokens beside the old one.

        Else a second application of the same browser would be signed out.
        """
        session, tokens, _ = ready.prepared
        if not await scope.tx.sessions.set_proof(scope.number, session, before):
            # Rolls back: the code stays unspent, and the same request makes another session.
            raise errors.Unavailable("The session has just changed. Try again.")
        hashed = token_hash(tokens.refresh_token)
        await scope.tx.sessions.insert_refresh(scope.number, hashed, session.id, scope.now)
        seen = Authenticate(ip_address=ready.source.ip_address, user_agent=ready.source.user_agent)
        await self._events.emit(scope, event_log.REAUTHENTICATION_SUCCEEDED, user, seen)
        return SignedIn(user, *tokens, auth_method=session.auth_method)

    def _goes_on(self, session: SessionRecord, source: SessionSource, now: int) -> bool:
        same = session.user_id == source.proof.user_id and session.client_kind == source.client_kind
        return same and self._sessions.is_alive(session, now)


def _with_proof(session: SessionRecord, proof: AuthenticationProof, now: int) -> SessionRecord:
    """Return a session with what was proven again, and what was proven before."""
    return msgspec.structs.replace(
        session,
        amr=session_state.add_methods(session.amr, proof.amr),
        authenticated_at=max(session.authenticated_at, proof.authenticated_at),
        mfa_at=max(session.mfa_at or 0, proof.mfa_at or 0) or None,
        last_active_at=now,
        updated_at=now,
    )
