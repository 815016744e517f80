"""What happened, written in the transaction of its cause; the world hears of it later (webhooks, /events).

Names under `authfactor.` are ours; the others are the contract's (section 6.2).
"""

import asyncio
from typing import Final

import msgspec

from authfactor import ids
from authfactor.ids import IdGenerator
from authfactor.models import Environment, EventRecord, PageQuery, RecordPage
from authfactor.rules import pagination
from authfactor.store import Tx, Unit

USER_CREATED: Final = "user.created"
USER_UPDATED: Final = "user.updated"
USER_DELETED: Final = "user.deleted"
SESSION_CREATED: Final = "session.created"
SESSION_REVOKED: Final = "session.revoked"
PASSWORD_SUCCEEDED: Final = "authentication.password_succeeded"  # noqa: S105 - an event's name
PASSWORD_FAILED: Final = "authentication.password_failed"  # noqa: S105 - an event's name
MFA_SUCCEEDED: Final = "authentication.mfa_succeeded"
MFA_FAILED: Final = "authentication.mfa_failed"
FACTOR_ENROLLED: Final = "authfactor.factor_enrolled"
FACTOR_ACTIVATED: Final = "authfactor.factor_activated"
FACTOR_DELETED: Final = "authfactor.factor_deleted"
REPLAY_REFUSED: Final = "authfactor.replay_refused"
LINK_CREATED: Final = "authfactor.link_created"
LINK_OPENED: Final = "authfactor.link_opened"
LINK_COMPLETED: Final = "authfactor.link_completed"
ATTEMPT_REFUSED: Final = "authfactor.attempt_refused"
USER_LOCKED: Final = "authfactor.user_locked"
USER_UNLOCKED: Final = "authfactor.user_unlocked"

# Of one user's refused attempts so many are told, and after that one each interval (milliseconds).
REFUSAL_BURST: Final = 100
REFUSAL_INTERVAL: Final = 60_000
_END_OF_TIME: Final = 2**62
_ENCODER = msgspec.json.Encoder()


class Failure(msgspec.Struct, frozen=True, gc=False):
    """Why a sign-in failed."""

    code: str
    message: str


class Authentication(msgspec.Struct, frozen=True, gc=False):
    """Data of the `authentication.…` events."""

    type: str
    status: str
    ip_address: str | None
    user_agent: str | None
    user_id: str | None
    email: str | None
    error: Failure | msgspec.UnsetType = msgspec.UNSET


class EventLog:
    """Appends events, and puts them into the outbox of every webhook endpoint that wants them."""

    def __init__(self, new_id: IdGenerator) -> None:
        """Take the source of ids; `outbox_grew` wakes this process's deliveries."""
        self._new_id = new_id
        self.outbox_grew = asyncio.Event()

    async def take_refusal_event_slot(self, tx: Tx, environment: int, subject: str, now: int) -> bool:
        """Take a place for an event of a refusal; False when the subject has had too many of late.

        Only for refusals that no other limit bounds, such as those of a user who is locked: whoever goes on
        knocking must not fill the disk.
        """
        return await tx.throttles.charge(
            environment, f"refused:{subject}", now, REFUSAL_INTERVAL, REFUSAL_BURST
        )

    async def append(
        self, tx: Tx, environment: int, name: str, user_id: str | None, data: object, now: int
    ) -> None:
        """Write one event about a user; `data` becomes its JSON."""
        text = _ENCODER.encode(data).decode()
        event_id = self._new_id(ids.EVENT)
        await tx.events.append(environment, event_id, name, user_id, text, now)
        for endpoint_id in await tx.webhook_endpoints.subscribed(environment, name):
            delivery_id = self._new_id(ids.DELIVERY)
            await tx.deliveries.insert(environment, delivery_id, endpoint_id, event_id, user_id, now)
            self.outbox_grew.set()


class EventQuery(msgspec.Struct, frozen=True, gc=False):
    """Which events are asked for; times in milliseconds, `range_start` inclusive, `range_end` exclusive."""

    names: tuple[str, ...]
    page: PageQuery
    range_start: int | None = None
    range_end: int | None = None


def listing(environment: Environment, query: EventQuery) -> Unit[RecordPage[EventRecord]]:
    """List events by name. The unit raises `InvalidRequest` for an unknown cursor."""

    async def run(tx: Tx) -> RecordPage[EventRecord]:
        for field, cursor in (("before", query.page.before), ("after", query.page.after)):
            if cursor and await tx.events.by_id(environment.number, cursor) is None:
                raise pagination.unknown_cursor(field, cursor)
        # `after` already says where to go on from (contract section 6.1).
        start = None if query.page.after else query.range_start
        items, more_before, more_after = await tx.events.page(
            environment.number, query.names, query.page, start or 0, query.range_end or _END_OF_TIME
        )
        return pagination.page(items, query.page, more_before=more_before, more_after=more_after)

    return run
