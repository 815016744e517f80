"""The second factor of an operator's sign-in, after the right password: a code, or a passkey."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from authfactor import errors
from authfactor.models import Operator, Verification
from authfactor.rules.audit.audit_log import AuditLog, Origin
from authfactor.rules.authentication.code_refusals import assertion_refusal
from authfactor.rules.console import refused_attempts
from authfactor.rules.console.operators import CONSOLE, check_code
from authfactor.rules.console.refused_attempts import WRONG_CODE, WRONG_SECOND_PASSKEY
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.unit import InstallationScope
from authfactor.webauthn.refusals import CeremonyRefused

if TYPE_CHECKING:
    from authfactor.rules.console.operator_assertions import GivenAssertion, OperatorAssertions


class OperatorSecondFactor:
    """Checks codes and assertions of operators whose password was right."""

    def __init__(
        self, challenges: Challenges, audit: AuditLog, assertions: "Callable[[], OperatorAssertions]"
    ) -> None:
        """Keep the collaborators."""
        self._challenges = challenges
        self._audit = audit
        self._assertions = assertions

    async def read(self, asked_id: str, text: str) -> "GivenAssertion":
        """Parse an assertion. Raises `SignInRefused`, and `InvalidRequest` where browsers refuse passkeys."""
        try:
            return await self._assertions().read("second_step", asked_id, text)
        except CeremonyRefused as refused:
            raise assertion_refusal(refused.reason, refused.message) from refused

    async def check_code(
        self, scope: InstallationScope, operator: Operator, code: str, origin: Origin, *, tells_why: bool
    ) -> None:
        """Count and compare a code.

        Raises `SignInRefused` after the commit of its count, and `TooManyAttempts`; the latter and details if
        `tells_why`.
        """
        try:
            outcome = await check_code(scope, self._challenges, operator, code)
        except errors.TooManyAttempts as locked:
            raise (locked if tells_why else refusal()).after_commit() from None
        if outcome is None or not outcome.valid:
            await self._audit_refusal(scope, operator, WRONG_CODE, origin)
            record = await scope.tx.failures.of(CONSOLE.number, operator.factor_id or "")
            await refused_attempts.append_lock(scope, self._audit, operator, record, origin)
            raise refusal(outcome if tells_why else None).after_commit()

    async def check_assertion(
        self, scope: InstallationScope, operator: Operator, given: "GivenAssertion", origin: Origin
    ) -> None:
        """Use an assertion, which no lock keeps out. Raises `SignInRefused`, after its audit entry."""
        try:
            await self._assertions().accept(scope, given, operator, origin)
        except CeremonyRefused:
            await self._audit_refusal(scope, operator, WRONG_SECOND_PASSKEY, origin)
            raise refusal(by_passkey=True).after_commit() from None

    async def _audit_refusal(
        self, scope: InstallationScope, operator: Operator, why: str, origin: Origin
    ) -> None:
        await refused_attempts.append(scope, self._audit, operator, "operator.sign_in_refused", why, origin)


def refusal(outcome: Verification | None = None, *, by_passkey: bool = False) -> errors.SignInRefused:
    """Return a refusal. Details are for known devices only, as they confirm that the password is right."""
    if by_passkey:
        return errors.SignInRefused("invalid_credentials", "Email, password or passkey is wrong.")
    reason = outcome.reason if outcome else None
    if reason == "code_already_used":
        return errors.SignInRefused(
            "one_time_code_previously_used", "This code was used before. Wait for the next one."
        )
    if reason == "clock_drift":
        return errors.SignInRefused(
            "invalid_one_time_code",
            "This code is old. Check that the phone sets its clock automatically.",
        )
    return errors.SignInRefused(
        "invalid_credentials",
        "Email, password or code is wrong. After ten wrong codes, right ones are refused for 15 minutes too.",
    )
