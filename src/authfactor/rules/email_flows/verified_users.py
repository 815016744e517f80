"""Users whose email was verified by a code or a link."""

import msgspec

from authfactor.models import UserRecord
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope
from authfactor.wire import responses


async def mark_verified(scope: Scope, log: EventLog, user: UserRecord) -> UserRecord:
    """Store that a locked user's email is verified, unless it is; return the user."""
    if user.email_verified:
        return user
    return await store(scope, log, msgspec.structs.replace(user, email_verified=True))


async def store(scope: Scope, log: EventLog, user: UserRecord) -> UserRecord:
    """Store the change of a locked user, with its event; return the user."""
    changed = msgspec.structs.replace(user, updated_at=scope.now)
    await scope.tx.users.update(scope.number, changed)
    await log.append(scope, event_log.USER_UPDATED, changed.id, responses.user(changed))
    return changed
