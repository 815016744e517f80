"""The outbox of messages: queued in the unit of what they are about, sent later, at least once.

One conditional write claims a message for one process until a lease ends. The leases of a process that dies
expire, and another process sends again. Values (a code, a URL) are sealed until then, and erased afterwards.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec

from authfactor import errors, ids
from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.errors import InvalidRequest, Item
from authfactor.ids import IdGenerator
from authfactor.models import Clock, MailOptions, PageQuery, RecordPage
from authfactor.models.messages import (
    ClaimedMessage,
    MessageKind,
    MessageRecord,
    MessageState,
    SendOutcome,
)
from authfactor.rules import pagination
from authfactor.rules.authentication.applied_policy import options_of
from authfactor.rules.events import event_log
from authfactor.rules.events.delivery_places import DeliveryPlaces, EndpointKey
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.messages.kinds import MAIL, NOTICES
from authfactor.rules.messages.sender_checks import is_sendable
from authfactor.rules.messages.sending_limits import SendingLimits
from authfactor.rules.unit import InstallationScope, Scope, installation_unit, unit
from authfactor.store import Tx
from authfactor.wire.messages import ReportedMessage

KIND: Final = "Message"
# Milliseconds between attempts: at 0, 1, 5, 15 and 60 seconds, then ever more rarely.
WAITS: Final = (1_000, 4_000, 10_000, 45_000, 120_000, 240_000, 480_000, 900_000, 1_800_000, 3_600_000)
# How long a message without an end of its own is worth sending.
DEFAULT_LIFE: Final = 24 * 3600 * 1000
SEND_SECONDS: Final = 20
LEASE: Final = SEND_SECONDS * 1000 + 30_000
# Longer claims would delay the requests of this process.
MAX_PER_CLAIM: Final = 8
_BEFORE_ALL: Final = -(2**31)


def content_row(environment: int, message_id: str) -> SealedLocation:
    """Return where a message's sealed values are stored."""
    return SealedLocation("messages", "content", environment, message_id)


class Messages:
    """Queues, claims and settles messages."""

    def __init__(self, clock: Clock, new_id: IdGenerator, vault: Vault, log: EventLog) -> None:
        """Keep the collaborators; `grew` is set when this process has queued a message."""
        self._clock = clock
        self._new_id = new_id
        self._vault = vault
        self._log = log
        self._limits = SendingLimits(vault)
        self.grew = asyncio.Event()
        # Attempts of this process by channel, kind and outcome, for the metrics.
        self.sent: dict[tuple[str, str, str], int] = {}

    async def queue(
        self,
        scope: Scope,
        kind: MessageKind,
        *,
        to: str,
        user_id: str | None = None,
        values: Mapping[str, str] | None = None,
        locale: str | None = None,
        expires_at: int | None = None,
        reference: str | None = None,
    ) -> bool:
        """Queue a message in the caller's unit; return whether one was queued.

        None is where the environment has no sender of mail, or has switched the kind off; nor a notice to a
        user who has had too many. `values` has the `code` or `url` to send. Nothing is sent after
        `expires_at` (milliseconds), by default a day from now. `reference` is for `cancel`.

        Raises `SendLimitReached`.
        """
        mail = options_of(scope.environment.options).mail
        if mail is None or kind in mail.off:
            return False
        if kind not in NOTICES:
            await self._limits.charge(scope, kind, to, user_id, mail.limits)
        elif user_id is not None and not await self._limits.charge_notice(scope, kind, user_id):
            return False
        message_id, now = self._new_id(ids.MESSAGE), scope.now
        content = self._vault.seal(msgspec.json.encode(values or {}), content_row(scope.number, message_id))
        message = MessageRecord(
            message_id,
            user_id,
            MAIL,
            kind,
            to,
            locale or mail.locale,
            reference,
            content,
            "pending",
            0,
            now,
            now + DEFAULT_LIFE if expires_at is None else expires_at,
            None,
            now,
            now,
        )
        await scope.tx.messages.insert(scope.number, message)
        self.grew.set()
        return True

    @unit
    async def charge_test(self, scope: Scope, to: str) -> None:
        """Count a test message like any other. Raises `InvalidRequest` and `SendLimitReached`."""
        if not is_sendable(to):
            raise InvalidRequest(Item("to", "to_invalid", "to: required, an email address."))
        mail = options_of(scope.environment.options).mail or MailOptions()
        await self._limits.charge(scope, "test", to, None, mail.limits)

    async def cancel(self, scope: Scope, reference: str) -> int:
        """Cancel what is not sent yet of the messages with this reference; return how many they were.

        For a code that was used, or replaced by a new one.
        """
        return await scope.tx.messages.cancel(scope.number, reference, scope.now)

    @unit
    async def get(self, scope: Scope, message_id: str) -> MessageRecord:
        """Return a message. Raises `NotFound`."""
        found = await scope.tx.messages.by_id(scope.number, message_id)
        if found is None:
            raise errors.NotFound(KIND, message_id)
        return found

    @unit
    async def page(
        self, scope: Scope, query: PageQuery, user_id: str | None = None, state: MessageState | None = None
    ) -> RecordPage[MessageRecord]:
        """List messages, all or by user and state. Raises `InvalidRequest` for an unknown cursor."""
        for field, cursor in (("before", query.before), ("after", query.after)):
            if cursor and await scope.tx.messages.by_id(scope.number, cursor) is None:
                raise pagination.unknown_cursor(field, cursor)
        items, more_before, more_after = await scope.tx.messages.page(scope.number, query, user_id, state)
        return pagination.page(items, query, more_before=more_before, more_after=more_after)

    @installation_unit
    async def any_due(self, scope: InstallationScope) -> bool:
        """Return whether any message could be claimed now; only reads."""
        now = scope.now
        for environment in await _environments(scope.tx, _BEFORE_ALL):
            if await scope.tx.messages.due(environment, now, now + LEASE, 1):
                return True
        return False

    @installation_unit
    async def claim(
        self, scope: InstallationScope, after: int, in_flight: Mapping[EndpointKey, int], limit: int
    ) -> list[ClaimedMessage]:
        """Claim up to `limit` due messages, starting with the environment that follows `after`.

        `in_flight` counts what this process is sending for each environment and channel.
        """
        places, claimed = DeliveryPlaces(in_flight), list[ClaimedMessage]()
        for number in await _environments(scope.tx, after):
            count = min(limit - len(claimed), places.available((number, MAIL)))
            if count > 0:
                found = await self._claim_of(scope, number, count)
                places.take((number, MAIL), len(found))
                claimed += found
        return claimed

    async def _claim_of(self, scope: InstallationScope, number: int, limit: int) -> list[ClaimedMessage]:
        tx, now, until = scope.tx, scope.now, scope.now + LEASE
        due = await tx.messages.due(number, now, until, limit)
        environment = await tx.environments.by_number(number) if due else None
        if environment is None:
            return []
        sender, branding = await tx.senders.of_channel(number, MAIL), await tx.brandings.of(number)
        return [
            ClaimedMessage(environment, branding, until, message, sender)
            for message_id in due
            if await tx.messages.claim(number, message_id, now, until, until)
            and (message := await tx.messages.by_id(number, message_id)) is not None
        ]

    def values_of(self, environment: int, message: MessageRecord) -> dict[str, str]:
        """Return the values of a message, {} once they are erased. Raises `vault.UnsealError`."""
        if message.content is None:
            return {}
        text = self._vault.unseal(message.content, content_row(environment, message.id))
        return msgspec.json.decode(text, type=dict[str, str])

    def count(self, message: MessageRecord, outcome: SendOutcome) -> None:
        """Count an attempt for the metrics."""
        key = message.channel, message.kind, "sent" if outcome.error is None else "failed"
        self.sent[key] = self.sent.get(key, 0) + 1

    @installation_unit
    async def settle(self, scope: InstallationScope, claimed: ClaimedMessage, outcome: SendOutcome) -> bool:
        """Record how an attempt ended; False when the claim was lost or the message canceled meanwhile."""
        result = settled(claimed.message, outcome, scope.now)
        within = scope.within(claimed.environment)
        if not await scope.tx.messages.settle(within.number, claimed.claimed_until, result):
            return False
        if result.state != "pending":
            name = event_log.MESSAGE_SENT if result.state == "sent" else event_log.MESSAGE_FAILED
            await self._log.append(within, name, result.user_id, ReportedMessage.of(result))
        return True


def settled(message: MessageRecord, outcome: SendOutcome, now: int) -> MessageRecord:
    """Return a message as it is after an attempt: sent, due again later, failed or expired."""
    attempts = message.attempts + outcome.tried
    due_at = now + WAITS[min(max(attempts, 1), len(WAITS)) - 1]
    state: MessageState = "pending"
    if outcome.error is None:
        state = "sent"
    elif now >= message.expires_at or (due_at >= message.expires_at and not outcome.final):
        state = "expired"
    elif outcome.final:
        state = "failed"
    return msgspec.structs.replace(
        message,
        content=message.content if state == "pending" or outcome.kept else None,
        state=state,
        attempts=attempts,
        due_at=due_at,
        last_error=outcome.error,
        updated_at=now,
    )


async def _environments(tx: Tx, after: int) -> list[int]:
    """List the environments with pending messages, round-robin from the one that follows `after`."""
    found: list[int] = []
    at = await tx.messages.next_environment(_BEFORE_ALL)
    while at is not None:
        found.append(at)
        at = await tx.messages.next_environment(at)
    return [number for number in found if number > after] + [number for number in found if number <= after]
