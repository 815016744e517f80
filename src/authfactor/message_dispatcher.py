"""The message dispatcher: claims due messages from the outbox and sends them, a few concurrently.

Every worker process runs one; claims in the database keep two of them from sending the same message. Nothing
is sent within a transaction, so a server for mail that never responds does not delay any request.
"""

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.models.messages import ClaimedMessage

if TYPE_CHECKING:
    from authfactor.message_sending import MessageSender

POLL_SECONDS: Final = 1.0
_FIRST: Final = -(2**31)
EndpointKey = tuple[int, str]

log = logging.getLogger("authfactor.messages")


async def send_messages_forever(af: Authfactor, sender: "MessageSender | None" = None) -> None:
    """Send until canceled; messages in progress are then finished within their time limit."""
    dispatcher = MessageDispatcher(af, sender)
    try:
        await dispatcher.run()
    finally:
        await dispatcher.finish()


class MessageDispatcher:
    """Sends an installation's messages from one process."""

    def __init__(self, af: Authfactor, sender: "MessageSender | None" = None) -> None:
        """Send for `af`; by default the sender is created on first use, and tests pass their own."""
        self._af = af
        self._sender = sender
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight: Counter[EndpointKey] = Counter()
        self._last_environment = _FIRST

    async def run(self) -> None:
        """Claim and send forever; woken by new messages of this process, sent ones, and a timer."""
        woken = False
        while True:
            wake = self._af.messages.grew
            wake.clear()
            try:
                await self._start_due(woken=woken)
            except errors.AuthfactorError as error:
                log.warning("messages are postponed: %s", error.message)
                woken = False
                await asyncio.sleep(POLL_SECONDS)
                continue
            except Exception:
                log.exception("unexpected failure while claiming messages")
                woken = False
                await asyncio.sleep(POLL_SECONDS)
                continue
            woken = await _wait_for(wake)

    async def finish(self) -> None:
        """Wait for messages in progress, then close the sender."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._sender is not None:
            await self._sender.close()

    async def _start_due(self, *, woken: bool) -> None:
        from authfactor.rules.events.delivery_places import MAX_CONCURRENT  # noqa: PLC0415 - start-up
        from authfactor.rules.messages.outbox import MAX_PER_CLAIM  # noqa: PLC0415 - keep start-up fast

        messages = self._af.messages
        capacity = min(MAX_CONCURRENT - len(self._tasks), MAX_PER_CLAIM)
        # The wake-up precedes its commit: only a writing unit is sure to run after that.
        if capacity < 1 or not (woken or await self._af.read(messages.any_due())):
            return
        claims = await self._af.run(messages.claim(self._last_environment, self._in_flight, capacity))
        if len(claims) == capacity:
            messages.grew.set()  # there may be more
        for claimed in claims:
            self._last_environment = claimed.environment.number
            self._in_flight[_place_of(claimed)] += 1
            task = asyncio.create_task(self._deliver(claimed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, claimed: ClaimedMessage) -> None:
        messages = self._af.messages
        try:
            outcome = await self._open_sender().send(claimed)
            messages.count(claimed.message, outcome)
            await self._af.run(messages.settle(claimed, outcome))
        except errors.AuthfactorError as error:
            # The claim expires, and the message is sent again.
            log.warning("outcome of message %s was not stored: %s", claimed.message.id, error.message)
        except Exception:
            log.exception("unexpected failure, message %s", claimed.message.id)
        finally:
            self._in_flight -= Counter([_place_of(claimed)])  # without keeping zeros
            messages.grew.set()

    def _open_sender(self) -> "MessageSender":
        if self._sender is None:
            from authfactor.message_sending import MessageSender  # noqa: PLC0415 - imports texts

            self._sender = MessageSender(self._af)
        return self._sender


async def _wait_for(wake: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(POLL_SECONDS):
            await wake.wait()
    except TimeoutError:
        return False
    return True


def _place_of(claimed: ClaimedMessage) -> EndpointKey:
    return claimed.environment.number, claimed.message.channel
