"""The sign-in that waited for the user's email: the code that was mailed, then the next step."""

from authfactor import errors
from authfactor.models import Clock, Environment, PendingSignIn, SignedIn, SignInStart
from authfactor.models.mailed import MailedCode
from authfactor.rules.authentication.code_refusals import bad_pending
from authfactor.rules.authentication.opaque_tokens import token_hash
from authfactor.rules.authentication.session_state import ONE_STEP, begun_by
from authfactor.rules.authentication.sessions import PreparedSession, Sessions
from authfactor.rules.authentication.step_up import (
    EMAIL_VERIFICATION,
    StepUp,
    password_mark,
    with_deadline,
)
from authfactor.rules.email_flows.email_verifications import PURPOSE, EmailVerifications
from authfactor.rules.email_flows.mailed_codes import MailedCodes
from authfactor.rules.email_flows.sign_in_refusals import sign_in_refusal
from authfactor.rules.unit import Scope
from authfactor.store import Store, Tx, Unit
from authfactor.wire.requests import Authenticate


class EmailVerificationSignIn:
    """The grant `urn:workos:oauth:grant-type:email-verification:code`."""

    def __init__(
        self,
        clock: Clock,
        codes: MailedCodes,
        verifications: EmailVerifications,
        sessions: Sessions,
        step_up: StepUp,
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._codes = codes
        self._verifications = verifications
        self._sessions = sessions
        self._step_up = step_up

    async def prepare(self, store: Store, environment: Environment, request: Authenticate) -> Unit[SignedIn]:
        """Prepare the step. One transaction spends code and pending token; a wrong code spends neither.

        The unit raises `SignInRefused`, and `StepUpRequired` when a second factor comes next.
        """
        hashed, now = token_hash(request.pending_authentication_token or ""), self._clock()
        pending = await store.read(
            lambda tx: tx.pending_sign_ins.awaiting(environment.number, hashed, EMAIL_VERIFICATION)
        )
        if pending is None or pending.spent_at is not None or pending.expires_at <= now:
            # Raised by a unit, so that a repeat of the request that spent the token gets the stored response.
            return _refuse(request)
        prepared = await self._sessions.prepare(
            store,
            environment,
            pending.user_id,
            amr=begun_by(pending.auth_method, ONE_STEP),
            now=now,
            ip_address=request.ip_address,
            user_agent=request.user_agent,
        )
        prepared = prepared._replace(invitation_id=pending.invitation_id)
        return lambda tx: self._accept(Scope(tx, environment, now), hashed, pending, request, prepared)

    async def _accept(
        self,
        scope: Scope,
        hashed: bytes,
        pending: PendingSignIn,
        request: Authenticate,
        prepared: PreparedSession,
    ) -> SignedIn:
        token = request.pending_authentication_token or ""
        user = await scope.tx.users.lock(scope.number, pending.user_id)
        if user is None or password_mark(user.password_hash) != pending.password_mark:
            raise bad_pending(token)
        found = await self._codes.redeem(scope, user, PURPOSE, request.code or "")
        if not isinstance(found, MailedCode):
            refusal = sign_in_refusal(found)
            await self._verifications.emit_failed(scope, user, found, refusal, request)
            raise refusal.after_commit()
        if not await scope.tx.pending_sign_ins.spend(scope.number, hashed, scope.now, None):
            # Rolls back: the code stays unused.
            raise bad_pending(token)
        user = await self._verifications.complete(scope, user, request)
        start = SignInStart(pending.auth_method, pending.invitation_id)
        step_up = await self._step_up.demand(scope, user, user.password_hash, start=start)
        if isinstance(step_up, errors.SignInRefused):
            raise step_up.after_commit()
        signed_in = await self._sessions.start(scope, user, prepared)
        return signed_in if step_up is None else with_deadline(signed_in, step_up)


def _refuse(request: Authenticate) -> Unit[SignedIn]:
    async def refuse(_: Tx) -> SignedIn:
        raise bad_pending(request.pending_authentication_token or "")

    return refuse
