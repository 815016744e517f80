"""What ends a user's trusted devices besides themselves: a new password, a factor that goes, a recovery code.

The mark of a device tells a changed password or factor too, but not that it was changed back.
"""

from typing import Literal

from authfactor.models import TrustedDeviceRecord
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope
from authfactor.wire.events import RevokedTrustedDevice

Reason = Literal[
    "revoked", "replaced", "password_changed", "factor_deleted", "recovery_code_used", "sessions_revoked"
]


async def end_devices(scope: Scope, log: EventLog, user_id: str, reason: Reason) -> int:
    """End all of a user's devices, with an event for each that was not over; return how many."""
    ended = await scope.tx.trusted_devices.end_of_user(scope.number, user_id, scope.now)
    open_devices = [device for device in ended if device.expires_at > scope.now]
    for device in open_devices:
        await emit_revoked(scope, log, device, reason)
    return len(open_devices)


async def emit_revoked(scope: Scope, log: EventLog, device: TrustedDeviceRecord, reason: Reason) -> None:
    """Emit the event of a device that has ended."""
    data = RevokedTrustedDevice(device.id, device.user_id, reason)
    await log.append(scope, event_log.TRUSTED_DEVICE_REVOKED, device.user_id, data)
