"""What follows when a factor becomes active: its event, and the end of the user's grace (decision 0045)."""

from typing import Literal

from authfactor.models import FactorRecord
from authfactor.rules.authentication.applied_policy import may_have_grace
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope
from authfactor.wire.events import EndedGrace, FactorEvent


async def announce(scope: Scope, log: EventLog, factor: FactorRecord) -> None:
    """Write the event of a factor whose first code was right, and end its user's grace."""
    event = FactorEvent(factor.id, factor.user_id)
    await log.append(scope, event_log.FACTOR_ACTIVATED, factor.user_id, event)
    if factor.user_id is not None:
        await end_grace_of_enrolled(scope, log, factor.user_id)


async def end_grace_of_enrolled(scope: Scope, log: EventLog, user_id: str) -> None:
    """End the grace of a user who has an active factor now; no statement where no user has grace."""
    if may_have_grace(scope.environment):
        await end_grace(scope, log, user_id, "enrolled")


async def end_grace(
    scope: Scope, log: EventLog, user_id: str, reason: Literal["enrolled", "deadline_passed"]
) -> None:
    """End a user's grace for good, with an event if there was one."""
    if await scope.tx.user_mfa_policies.end_grace(scope.number, user_id, scope.now):
        await log.append(scope, event_log.GRACE_ENDED, user_id, EndedGrace(user_id, reason))
