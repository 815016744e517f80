"""Raising a session: a second factor proven again within it (decision 0043).

`Challenges` calls this after a right code of a challenge that belongs to a session, in the same unit.
"""

from typing import TYPE_CHECKING

from authfactor import errors
from authfactor.models import ChallengeRecord, FactorRecord
from authfactor.rules.authentication import session_state
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope
from authfactor.settings import Settings
from authfactor.wire.events import RaisedSessionEvent
from authfactor.wire.requests import Authenticate

if TYPE_CHECKING:
    from authfactor.otp.recovery_code import Method


class SessionRaising:
    """Raises the session of a verified challenge."""

    def __init__(self, log: EventLog, settings: Settings) -> None:
        """Keep the collaborators."""
        self._log = log
        self._events = SignInEvents(log)
        self._settings = settings

    async def allows_recovery(self, scope: Scope, challenge: ChallengeRecord) -> bool:
        """Return whether a recovery code may raise the session of this challenge."""
        return await scope.tx.challenges.allows_recovery(scope.number, challenge.id)

    async def raise_session(
        self,
        scope: Scope,
        challenge: ChallengeRecord,
        factor: FactorRecord,
        method: "Method",
        proven: str | None = None,
    ) -> None:
        """Raise the session of a challenge that this unit has closed, if it is alive and the factor's user's.

        `proven` are the methods of this proof, if not the method's own. Raises `SessionEnded`, which undoes
        the unit: no code is spent and nothing is counted.
        """
        session_id, user_id = challenge.session_id or "", factor.user_id or ""
        idle_since = session_state.idle_since(self._settings, scope.now)
        amr = await scope.tx.sessions.raise_session(scope.number, session_id, user_id, scope.now, idle_since)
        if amr is None:
            raise errors.SessionEnded(session_id)
        united = session_state.add_methods(amr, proven or session_state.SECOND_FACTOR_AMR[method])
        if united != amr:
            await scope.tx.sessions.set_methods(scope.number, session_id, united)
        user = await scope.tx.users.by_id(scope.number, user_id)
        # The request that verifies a challenge does not say where its user is.
        await self._events.emit(
            scope, event_log.REAUTHENTICATION_SUCCEEDED, user, Authenticate(), method=method
        )
        raised = RaisedSessionEvent(session_id, user_id, method)
        await self._log.append(scope, event_log.SESSION_RAISED, user_id, raised)

    async def require_alive(self, scope: Scope, challenge: ChallengeRecord) -> None:
        """Raise `SessionEnded` if the session that a challenge has raised is no longer alive."""
        session_id = challenge.session_id or ""
        session = await scope.tx.sessions.by_id(scope.number, session_id)
        if session is None or not session_state.is_alive(session, self._settings, scope.now):
            raise errors.SessionEnded(session_id)
