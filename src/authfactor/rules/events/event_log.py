"""The event log: each event is written in the transaction that causes it.

Webhooks and `/events` deliver them later. Names that start with `authfactor.` are this product's; the others
are the contract's (section 6.2).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from authfactor import ids
from authfactor.ids import IdGenerator
from authfactor.models import Clock, DeliveryRecord, EventRecord, PageQuery, RecordPage, UserRecord
from authfactor.rules import pagination
from authfactor.rules.authentication.applied_policy import options_of
from authfactor.rules.unit import Scope, unit

if TYPE_CHECKING:
    from authfactor.models.messages import MessageKind

USER_CREATED: Final = "user.created"
USER_UPDATED: Final = "user.updated"
USER_DELETED: Final = "user.deleted"
SESSION_CREATED: Final = "session.created"
SESSION_REVOKED: Final = "session.revoked"
PASSWORD_SUCCEEDED: Final = "authentication.password_succeeded"  # noqa: S105 - an event's name
PASSWORD_FAILED: Final = "authentication.password_failed"  # noqa: S105 - an event's name
PASSKEY_SUCCEEDED: Final = "authentication.passkey_succeeded"
PASSKEY_FAILED: Final = "authentication.passkey_failed"
MFA_SUCCEEDED: Final = "authentication.mfa_succeeded"
MFA_FAILED: Final = "authentication.mfa_failed"
MAGIC_AUTH_SUCCEEDED: Final = "authentication.magic_auth_succeeded"
MAGIC_AUTH_FAILED: Final = "authentication.magic_auth_failed"
EMAIL_VERIFICATION_SUCCEEDED: Final = "authentication.email_verification_succeeded"
EMAIL_VERIFICATION_FAILED: Final = "authentication.email_verification_failed"
REAUTHENTICATION_SUCCEEDED: Final = "authentication.reauthentication_succeeded"
EMAIL_VERIFICATION_CREATED: Final = "email_verification.created"
MAGIC_AUTH_CREATED: Final = "magic_auth.created"
PASSWORD_RESET_CREATED: Final = "password_reset.created"  # noqa: S105 - an event's name
PASSWORD_RESET_SUCCEEDED: Final = "password_reset.succeeded"  # noqa: S105 - an event's name
INVITATION_CREATED: Final = "invitation.created"
INVITATION_ACCEPTED: Final = "invitation.accepted"
INVITATION_RESENT: Final = "invitation.resent"
INVITATION_REVOKED: Final = "invitation.revoked"
FACTOR_ENROLLED: Final = "authfactor.factor_enrolled"
FACTOR_IMPORTED: Final = "authfactor.factor_imported"
FACTOR_ACTIVATED: Final = "authfactor.factor_activated"
FACTOR_RENAMED: Final = "authfactor.factor_renamed"
FACTOR_DELETED: Final = "authfactor.factor_deleted"
FACTOR_RESYNCED: Final = "authfactor.factor_resynced"
PASSKEY_SUSPECT: Final = "authfactor.passkey_suspect"
REPLAY_REFUSED: Final = "authfactor.replay_refused"
RECOVERY_CODES_CREATED: Final = "authfactor.recovery_codes_created"
RECOVERY_CODES_USED: Final = "authfactor.recovery_codes_used"
RECOVERY_CODES_LOW: Final = "authfactor.recovery_codes_low"
SESSION_RAISED: Final = "authfactor.session_raised"
POLICY_CHANGED: Final = "authfactor.policy_changed"
GRACE_STARTED: Final = "authfactor.grace_started"
GRACE_ENDED: Final = "authfactor.grace_ended"
EXEMPTED: Final = "authfactor.exempted"
TRUSTED_DEVICE_CREATED: Final = "authfactor.trusted_device_created"
TRUSTED_DEVICE_USED: Final = "authfactor.trusted_device_used"
TRUSTED_DEVICE_REVOKED: Final = "authfactor.trusted_device_revoked"
TRUSTED_DEVICE_THEFT_SUSPECTED: Final = "authfactor.trusted_device_theft_suspected"
LINK_CREATED: Final = "authfactor.link_created"
LINK_OPENED: Final = "authfactor.link_opened"
LINK_COMPLETED: Final = "authfactor.link_completed"
MESSAGE_SENT: Final = "authfactor.message_sent"
MESSAGE_FAILED: Final = "authfactor.message_failed"
ATTEMPT_REFUSED: Final = "authfactor.attempt_refused"
USER_LOCKED: Final = "authfactor.user_locked"
USER_UNLOCKED: Final = "authfactor.user_unlocked"
# Sent on request to one endpoint; no subscription selects it.
PING: Final = "authfactor.ping"

# Of which users get a notice, where the environment has a sender of mail.
NOTICES: Final[Mapping[str, "MessageKind"]] = {
    FACTOR_ACTIVATED: "factor_added",
    FACTOR_DELETED: "factor_removed",
    RECOVERY_CODES_USED: "recovery_code_used",
    TRUSTED_DEVICE_CREATED: "trusted_device_created",
}
SendNotice = Callable[[Scope, "MessageKind", UserRecord], Awaitable[bool]]
"""Queues a notice to a user; False if it did not."""
# Burst size and refill interval (milliseconds) of refusal events, per user.
REFUSAL_BURST: Final = 100
REFUSAL_INTERVAL: Final = 60_000
_END_OF_TIME: Final = 2**62
_ENCODER = msgspec.json.Encoder()


class EventQuery(msgspec.Struct, frozen=True, gc=False):
    """Which events to list; times in milliseconds, `range_start` inclusive, `range_end` exclusive."""

    names: tuple[str, ...]
    page: PageQuery
    range_start: int | None = None
    range_end: int | None = None


class EventLog:
    """Appends events and queues them for every subscribed webhook endpoint."""

    def __init__(self, clock: Clock, new_id: IdGenerator, send_notice: "SendNotice") -> None:
        """Keep clock, id generator and what queues a notice.

        `outbox_grew` wakes this process's webhook dispatcher.
        """
        self._send_notice = send_notice
        self._clock = clock
        self._new_id = new_id
        self.outbox_grew = asyncio.Event()

    async def take_refusal_event_slot(self, scope: Scope, subject: str) -> bool:
        """Take a slot for a refusal event; False when the subject's recent refusals have used them up.

        Only for refusals that no other limit bounds, such as those of a locked user: repeated requests must
        not fill the disk.
        """
        return await scope.tx.throttles.charge(
            scope.number, f"refused:{subject}", scope.now, REFUSAL_INTERVAL, REFUSAL_BURST
        )

    async def append(
        self, scope: Scope, name: str, user_id: str | None, data: object, *, noticed: bool = True
    ) -> None:
        """Write one event about a user; `data` is encoded as JSON. Send the user a notice of some kinds.

        `noticed`: the event matters to the user.
        """
        tx, environment = scope.tx, scope.number
        text = _ENCODER.encode(data).decode()
        event_id = self._new_id(ids.EVENT)
        await tx.events.append(environment, event_id, name, user_id, text, scope.now)
        for endpoint_id in await tx.webhook_endpoints.subscribed(environment, name):
            delivery_id = self._new_id(ids.DELIVERY)
            await tx.deliveries.insert(environment, delivery_id, endpoint_id, event_id, user_id, scope.now)
            self.outbox_grew.set()
        if name in NOTICES and noticed and user_id and options_of(scope.environment.options).mail:
            user = await tx.users.by_id(environment, user_id)
            if user is not None:
                await self.notify(scope, NOTICES[name], user)

    async def notify(self, scope: Scope, kind: "MessageKind", user: UserRecord) -> None:
        """Queue a notice to a user, at the address that `user` has; no statement without a sender of mail.

        An address that is not verified may be a stranger's, who gets none.
        """
        if options_of(scope.environment.options).mail and user.email_verified:
            await self._send_notice(scope, kind, user)

    async def append_all(self, scope: Scope, name: str, user_id: str, data: Sequence[object]) -> None:
        """Write many events of one name about a user, in few statements."""
        tx, environment = scope.tx, scope.number
        rows = [(self._new_id(ids.EVENT), _ENCODER.encode(each).decode()) for each in data]
        if not rows:
            return
        await tx.events.append_all(environment, name, user_id, scope.now, rows)
        for endpoint_id in await tx.webhook_endpoints.subscribed(environment, name):
            queued = [(self._new_id(ids.DELIVERY), event_id) for event_id, _ in rows]
            await tx.deliveries.insert_all(environment, endpoint_id, user_id, scope.now, queued)
            self.outbox_grew.set()

    async def append_each(self, scope: Scope, name: str, data: Sequence[tuple[str | None, object]]) -> None:
        """Write many events of one name, each about another user, in few statements."""
        tx, environment, now = scope.tx, scope.number, scope.now
        rows = [(self._new_id(ids.EVENT), user, _ENCODER.encode(each).decode()) for user, each in data]
        if not rows:
            return
        await tx.imported_factors.append_events(environment, name, rows, now)
        for endpoint_id in await tx.webhook_endpoints.subscribed(environment, name):
            for event_id, user_id, _ in rows:
                delivery_id = self._new_id(ids.DELIVERY)
                await tx.deliveries.insert(environment, delivery_id, endpoint_id, event_id, user_id, now)
            self.outbox_grew.set()

    async def append_for(self, scope: Scope, name: str, endpoint_id: str, data: object) -> DeliveryRecord:
        """Write one event for a single endpoint, whatever its subscriptions."""
        event_id, delivery_id = self._new_id(ids.EVENT), self._new_id(ids.DELIVERY)
        now, text = scope.now, _ENCODER.encode(data).decode()
        await scope.tx.events.append(scope.number, event_id, name, None, text, now)
        await scope.tx.deliveries.insert(scope.number, delivery_id, endpoint_id, event_id, None, now)
        self.outbox_grew.set()
        about = (delivery_id, endpoint_id, event_id, name, None)
        return DeliveryRecord(*about, "pending", 0, now, None, None, now, now)

    @unit
    async def page(self, scope: Scope, query: EventQuery) -> RecordPage[EventRecord]:
        """List events by name. Raises `InvalidRequest` for an unknown cursor."""
        for field, cursor in (("before", query.page.before), ("after", query.page.after)):
            if cursor and await scope.tx.events.by_id(scope.number, cursor) is None:
                raise pagination.unknown_cursor(field, cursor)
        # `after` overrides the start of the range (contract section 6.1).
        start = None if query.page.after else query.range_start
        items, more_before, more_after = await scope.tx.events.page(
            scope.number, query.names, query.page, start or 0, query.range_end or _END_OF_TIME
        )
        return pagination.page(items, query.page, more_before=more_before, more_after=more_after)
