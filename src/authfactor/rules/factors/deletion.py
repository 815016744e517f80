"""What follows when factors are deleted."""

from authfactor.models import FactorRecord
from authfactor.rules.authentication.session_state import ONE_STEP
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope


async def end_trusted_devices(scope: Scope, log: EventLog, user_id: str) -> None:
    """End the user's trusted devices, which were trusted for a factor."""
    from authfactor.rules.authentication.trusted_device_endings import end_devices  # noqa: PLC0415 - seldom

    await end_devices(scope, log, user_id, "factor_deleted")


async def withdraw(scope: Scope, user_id: str, deleted: list[FactorRecord]) -> None:
    """Once no factor is active, delete the recovery codes; next tokens of sessions claim `pwd` alone.

    A user who had an active factor gets no grace for the next one.
    """
    left = await scope.tx.factors.of_user(scope.number, user_id)
    if not any(factor.is_active for factor in left):
        await scope.tx.recovery_codes.delete_of_user(scope.number, user_id)
        await scope.tx.sessions.clear_second_factor(scope.number, user_id, ONE_STEP, scope.now)
        await scope.tx.hosted_sign_ins.clear_second_factor(scope.number, user_id, ONE_STEP)
        if any(factor.is_active for factor in deleted):
            await scope.tx.user_mfa_policies.record_held_factor(scope.number, user_id, scope.now)
