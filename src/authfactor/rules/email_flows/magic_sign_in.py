"""Sign-in with a magic code. It verifies the email; a second factor may come next."""

from typing import Final

from authfactor import errors
from authfactor.crypto.vault import Vault
from authfactor.email_identity import email_key
from authfactor.models import Clock, Environment, SignedIn, SignInStart, UserRecord
from authfactor.models.mailed import MailedCode
from authfactor.rules.authentication.applied_policy import require_method
from authfactor.rules.authentication.password_throttling import stranger_subject
from authfactor.rules.authentication.session_state import BY_MAGIC_CODE, MAGIC_CODE
from authfactor.rules.authentication.sessions import PreparedSession, Sessions
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.authentication.step_up import StepUp, with_deadline
from authfactor.rules.email_flows import invitation_use
from authfactor.rules.email_flows.magic_auth import PURPOSE
from authfactor.rules.email_flows.mailed_codes import LIFE_MS, CodeRefusal, MailedCodes
from authfactor.rules.email_flows.sign_in_refusals import sign_in_refusal
from authfactor.rules.email_flows.verified_users import mark_verified
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope
from authfactor.settings import Settings
from authfactor.store import Store, Unit
from authfactor.wire.requests import Authenticate, without_nul

_SUBJECT: Final = "magic code without a user"


class MagicSignIn:
    """The grant `urn:workos:oauth:grant-type:magic-auth:code`."""

    def __init__(
        self,
        clock: Clock,
        vault: Vault,
        log: EventLog,
        settings: Settings,
        codes: MailedCodes,
        sessions: Sessions,
        step_up: StepUp,
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._vault = vault
        self._log = log
        self._events = SignInEvents(log)
        self._settings = settings
        self._codes = codes
        self._sessions = sessions
        self._step_up = step_up

    async def prepare(self, store: Store, environment: Environment, request: Authenticate) -> Unit[SignedIn]:
        """Prepare a sign-in. One transaction uses the code, verifies the email and starts the session.

        Raises `SignInMethodOff`. The unit raises `SignInRefused` after the commit of what was counted, and
        `StepUpRequired` when a second factor comes next.
        """
        require_method(environment, "magic_auth")
        now, email = self._clock(), without_nul(request.email or "")
        user = await store.read(lambda tx: tx.users.by_email(environment.number, email))
        prepared = None
        if user is not None and await store.read(
            lambda tx: self._codes.is_open(Scope(tx, environment, now), user, PURPOSE)
        ):  # else it is refused, without a costly signature
            prepared = await self._sessions.prepare(
                store,
                environment,
                user.id,
                amr=BY_MAGIC_CODE,
                now=now,
                ip_address=request.ip_address,
                user_agent=request.user_agent,
            )
        invitation_id = None
        if request.invitation_token:
            invitation_id = await invitation_use.look_up(store, environment, request.invitation_token, now)
        user_id = None if user is None else user.id
        return lambda tx: self._accept(Scope(tx, environment, now), user_id, request, prepared, invitation_id)

    async def _accept(
        self,
        scope: Scope,
        user_id: str | None,
        request: Authenticate,
        prepared: PreparedSession | None,
        invitation_id: str | None,
    ) -> SignedIn:
        """Redeem the code. `prepared` is None if none could be right when the request came."""
        # First: a refused invitation must not use up the code.
        invitation_use.require_usable(invitation_id)
        user = await self.redeem(scope, user_id, request)
        if prepared is None:
            # Rolls back: the code was made after the tokens would have been signed.
            raise errors.Unavailable("The code has just been made. Try again.")
        start = SignInStart(MAGIC_CODE, invitation_id)
        step_up = await self._step_up.demand(scope, user, user.password_hash, start=start)
        if isinstance(step_up, errors.SignInRefused):
            raise step_up.after_commit()
        signed_in = await self._sessions.start(scope, user, prepared._replace(invitation_id=invitation_id))
        return signed_in if step_up is None else with_deadline(signed_in, step_up)

    async def redeem(self, scope: Scope, user_id: str | None, request: Authenticate) -> UserRecord:
        """Use the code of a user; return the user, locked, with a verified email.

        Raises `SignInRefused`, after the commit of what was counted.
        """
        user = None if user_id is None else await scope.tx.users.lock(scope.number, user_id)
        if user is None:
            raise await self._refuse(scope, None, "none", request)
        found = await self._codes.redeem(scope, user, PURPOSE, request.code or "")
        if not isinstance(found, MailedCode):
            raise await self._refuse(scope, user, found, request)
        user = await mark_verified(scope, self._log, user)
        await self._events.emit(scope, event_log.MAGIC_AUTH_SUCCEEDED, user, request)
        return user

    async def _refuse(
        self, scope: Scope, user: UserRecord | None, refusal: CodeRefusal, request: Authenticate
    ) -> errors.SignInRefused:
        """Return the refusal, with its event: one for each wrong code, and a few of those nothing counts.

        Who has no code is refused like a user whose code was tried too often, so that this does not tell
        which emails have users.
        """
        if refusal == "none" and not await self._has_try_left(scope, request.email or ""):
            refusal = "locked"
        error = sign_in_refusal(refusal)
        subject = stranger_subject(request.ip_address) if user is None else user.id
        if refusal == "mismatch" or await self._log.take_refusal_event_slot(scope, subject):
            await self._events.emit(scope, event_log.MAGIC_AUTH_FAILED, user, request, error)
        return error.after_commit()

    async def _has_try_left(self, scope: Scope, email: str) -> bool:
        """Count a code for an email without one; False after as many as a code allows."""
        allowed = self._settings.attempts_per_challenge
        # Keyed: a copy of the database does not reveal for which emails codes were tried.
        subject = f"magic:{self._vault.digest(_SUBJECT, email_key(email))[:32]}"
        return await scope.tx.throttles.charge(scope.number, subject, scope.now, LIFE_MS // allowed, allowed)
