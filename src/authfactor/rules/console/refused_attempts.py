"""Audit entries of operators' refused sign-ins and confirmations, so few that no stranger fills the disk.

The audit log is kept for ever, so each source has a few entries at once and then one every 15 minutes: an
operator for each kind of refusal, and unknown emails for each network and for all of them together.
"""

from typing import Final, Literal

from authfactor.models import FailureRecord, Operator
from authfactor.rules.audit.audit_log import SERVER, Actor, AuditLog, Origin
from authfactor.rules.authentication.password_throttling import stranger_subject
from authfactor.rules.console.operators import CONSOLE
from authfactor.rules.factors import attempt_limits
from authfactor.rules.unit import InstallationScope

# Entries at once, and the milliseconds until each is available again.
BURST: Final = 10
STRANGERS_BURST: Final = 100
INTERVAL: Final = 15 * 60_000
WRONG_PASSWORD: Final = "wrong password"  # noqa: S105 - a reason
WRONG_CODE: Final = "right password, wrong code"
WRONG_CONFIRMATION: Final = "wrong code"
WRONG_PASSKEY: Final = "wrong passkey"
WRONG_SECOND_PASSKEY: Final = "right password, wrong passkey"
UNKNOWN_PASSKEY: Final = "no active operator has this passkey"
UNKNOWN_OPERATOR: Final = "no active operator has this email"
Refusal = Literal["operator.sign_in_refused", "operator.confirmation_refused"]


async def append(
    scope: InstallationScope,
    audit: AuditLog,
    operator: Operator | None,
    action: Refusal,
    why: str,
    origin: Origin,
) -> None:
    """Append an entry unless the recent ones have used up the slots. `why` is one of the texts above.

    An email that no operator has is not stored: people type passwords there.
    """
    if operator is None:
        subject, actor, target = stranger_subject(origin.address), SERVER, "unknown"
    else:
        # Per reason: wrong passwords must not hide that a guesser has the right one.
        subject, target = f"{operator.id}:{why}", operator.id
        actor = Actor("operator", operator.id, operator.email)
    if not await _take(scope, subject, BURST):
        return
    if operator is None and not await _take(scope, "strangers", STRANGERS_BURST):
        return
    await audit.append(scope.tx, actor, action, target, reason=why, origin=origin)


async def append_lock(
    scope: InstallationScope, audit: AuditLog, operator: Operator, record: FailureRecord, origin: Origin
) -> None:
    """Append an entry when wrong guesses have locked an operator."""
    if attempt_limits.locked_until(record, scope.now) is not None:
        actor = Actor("operator", operator.id, operator.email)
        await audit.append(scope.tx, actor, "operator.locked", operator.id, origin=origin)


async def _take(scope: InstallationScope, subject: str, burst: int) -> bool:
    throttles = scope.tx.throttles
    return await throttles.charge(CONSOLE.number, f"refused:{subject}", scope.now, INTERVAL, burst)
