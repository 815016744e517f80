"""Re-authentication of operators before dangerous actions (decision 0035).

A session is evidence that the operator signed in hours ago, perhaps at a browser that was left open or whose
cookie was copied. What changes who can sign in needs a second factor that was checked in this session within
the last five minutes.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from authfactor import errors
from authfactor.models import Clock, Entropy, Operator, OperatorContext, OperatorSession, Verification
from authfactor.rules.audit.audit_log import NO_ORIGIN, AuditLog, Origin
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.console import refused_attempts
from authfactor.rules.console.operators import CONSOLE, check_code, token_hash
from authfactor.rules.console.refused_attempts import WRONG_CONFIRMATION, WRONG_PASSKEY
from authfactor.rules.factors import attempt_limits
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.store import Unit
from authfactor.webauthn.refusals import CeremonyRefused

if TYPE_CHECKING:
    from authfactor.rules.console.operator_assertions import GivenAssertion, OperatorAssertions

RECENT_MILLISECONDS: Final = 5 * 60_000


class ReauthenticationRequired(errors.Forbidden):
    """The last check of a second factor in this session is too old for this action."""

    code = "reauthentication_required"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "Enter the current code from your authenticator app, or use a passkey, to confirm this."
        )


class ConfirmationRefused(errors.SignInRefused):
    """The code that was to confirm an action is wrong or was used before."""

    def __init__(
        self, outcome: Verification | None, *, session_ended: bool, passkey: str | None = None
    ) -> None:
        """Say why: the caller has a session, so nothing is given away. `passkey`: why one was refused."""
        reason = outcome.reason if outcome else None
        self.session_ended = session_ended
        text = {
            "code_already_used": "This code was used before. Wait for the next one.",
            "clock_drift": "This code is old. Check that the phone sets its clock automatically.",
            "code_malformed": "A code is six digits. Enter the current one.",
        }
        message = text.get(reason or "", "This code is wrong.")
        if session_ended:
            message = "Too many wrong codes. You have been signed out."
        if passkey is not None:
            message = f"The passkey was not accepted. {passkey}"
        super().__init__("confirmation_refused", message, reason=reason)


def require_recent_authentication(session: OperatorSession, now: int) -> None:
    """Raise `ReauthenticationRequired` unless a second factor was checked in this session recently.

    `now` in milliseconds. The only place that decides this, whatever the second factor is.
    """
    at = session.authenticated_at
    # Not negative either: a clock that was set back must not stretch the five minutes.
    if at is None or not 0 <= now - at < RECENT_MILLISECONDS:
        raise ReauthenticationRequired


class Reauthentication:
    """Checks a code, or a passkey, within a session."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        challenges: Challenges,
        audit: AuditLog,
        assertions: "Callable[[], OperatorAssertions]",
    ) -> None:
        """Keep the collaborators; time and randomness come from `clock` and `entropy` alone."""
        self._assertions = assertions
        self._clock = clock
        self._entropy = entropy
        self._challenges = challenges
        self._audit = audit

    @installation_unit
    async def confirm(
        self,
        scope: InstallationScope,
        context: OperatorContext,
        token: str,
        code: str,
        origin: Origin = NO_ORIGIN,
    ) -> str:
        """Check a code of the session's operator; return the session's new token.

        The old `token` ends, so that a copy of it gains nothing from the confirmation. A wrong code counts on
        the operator's own record, and one that locks ends the session. Raises `TooManyAttempts`,
        `ConfirmationRefused` after the commit of its count, and `Unauthorized` when the session has ended.
        """
        tx, now = scope.tx, scope.now
        operator = await _lock(scope, context, token)
        outcome = await check_code(scope, self._challenges, operator, code)
        if outcome is not None and outcome.reason == "code_malformed":
            # No guess (decision 0036): neither counted nor audited.
            raise ConfirmationRefused(outcome, session_ended=False)
        if outcome is None or not outcome.valid:
            record = await tx.failures.of(CONSOLE.number, operator.factor_id or "")
            await refused_attempts.append(
                scope, self._audit, operator, "operator.confirmation_refused", WRONG_CONFIRMATION, origin
            )
            await refused_attempts.append_lock(scope, self._audit, operator, record, origin)
            locked = attempt_limits.locked_until(record, now) is not None
            if locked:
                await tx.operator_sessions.end(token_hash(token), now)
            raise ConfirmationRefused(outcome, session_ended=locked).after_commit()
        return await self._renew(scope, token)

    async def prepare_by_passkey(
        self,
        context: OperatorContext,
        token: str,
        asked_id: str,
        assertion: str,
        origin: Origin = NO_ORIGIN,
    ) -> Unit[str]:
        """Prepare a confirmation by a passkey of the session's operator, asked for under `asked_id`.

        Returns as `confirm` does, and raises as it does; a wrong one is audited, and locks nothing.
        """
        try:
            read = self._assertions().read
            given = await read("confirmation", asked_id, assertion, context.session.id)
        except CeremonyRefused as refusal:
            raise ConfirmationRefused(None, session_ended=False, passkey=refusal.message) from refusal
        return self._confirm_by_passkey(context, token, given, origin)

    @installation_unit
    async def _confirm_by_passkey(
        self,
        scope: InstallationScope,
        context: OperatorContext,
        token: str,
        given: "GivenAssertion",
        origin: Origin,
    ) -> str:
        operator = await _lock(scope, context, token)
        try:
            await self._assertions().accept(scope, given, operator, origin)
        except CeremonyRefused as refusal:
            await refused_attempts.append(
                scope, self._audit, operator, "operator.confirmation_refused", WRONG_PASSKEY, origin
            )
            told = ConfirmationRefused(None, session_ended=False, passkey=refusal.message)
            raise told.after_commit() from refusal
        return await self._renew(scope, token)

    async def _renew(self, scope: InstallationScope, token: str) -> str:
        new_token = random_token(self._entropy)
        if not await scope.tx.operator_sessions.renew(token_hash(token), token_hash(new_token), scope.now):
            # Code or passkey stay unused: this rolls back.
            raise errors.Unauthorized
        return new_token


async def _lock(scope: InstallationScope, context: OperatorContext, token: str) -> Operator:
    """Return the session's operator, locked until the unit ends. Raises `Unauthorized`."""
    operator = await scope.tx.operators.lock(context.operator.id)
    # By the token: when a form is sent twice, the second one must not count as a wrong code.
    found = await scope.tx.operator_sessions.live_by_hash(token_hash(token), scope.now, 0)
    if operator is None or found is None or found[0].operator_id != operator.id:
        raise errors.Unauthorized
    return operator
