"""The courier: takes what is due out of the outbox and sends it, a few at a time, for as long as it runs.

Every worker process runs one; the claims in the database keep them out of each other's way. Nothing is
sent within a transaction, so a receiver that never answers slows no request down.
"""

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.models import ClaimedDelivery, DeliveryOutcome
from authfactor.rules.events.deliveries import FIRST_ENDPOINT, MAX_CONCURRENT, EndpointKey, NothingToSend

if TYPE_CHECKING:
    from authfactor.outbound.webhook_sender import WebhookSender

POLL_SECONDS: Final = 1.0

log = logging.getLogger("authfactor.delivering")


async def deliver_forever(af: Authfactor, sender: "WebhookSender | None" = None) -> None:
    """Deliver until cancelled; what is on its way by then is finished first, within its time limit."""
    dispatcher = WebhookDispatcher(af, sender)
    try:
        await dispatcher.run()
    finally:
        await dispatcher.finish()


class WebhookDispatcher:
    """Sends deliveries of one installation from one process."""

    def __init__(self, af: Authfactor, sender: "WebhookSender | None" = None) -> None:
        """Take the installation; a `sender` of one's own is for tests."""
        self._af = af
        self._sender = sender
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight: Counter[EndpointKey] = Counter()
        self._last_endpoint: EndpointKey = FIRST_ENDPOINT
        self._wake = af.deliveries.grew

    async def run(self) -> None:
        """Claim and send, for ever. Woken by this process's own events, by a finished send, by the clock."""
        woken = False
        while True:
            self._wake.clear()
            try:
                await self._start_due(woken=woken)
            except errors.AuthfactorError as error:
                log.warning("deliveries were put off: %s", error.message)
                woken = False
                await asyncio.sleep(POLL_SECONDS)
                continue
            except Exception:
                log.exception("unexpected failure while claiming deliveries")
                woken = False
                await asyncio.sleep(POLL_SECONDS)
                continue
            woken = await self._wait_for_wake()

    async def finish(self) -> None:
        """Wait for what is on its way, then let go of the connections."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._sender is not None:
            await self._sender.close()

    async def _wait_for_wake(self) -> bool:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _start_due(self, *, woken: bool) -> None:
        capacity = MAX_CONCURRENT - len(self._tasks)
        # A nudge comes before its commit: only a unit that writes is sure to run after it and see the rows.
        if capacity < 1 or not (woken or await self._af.read(self._af.deliveries.any_due())):
            return
        for claimed in await self._af.run(
            self._af.deliveries.claim(self._last_endpoint, self._in_flight, capacity)
        ):
            self._last_endpoint = _endpoint_key(claimed)
            self._in_flight[self._last_endpoint] += 1
            task = asyncio.create_task(self._deliver(claimed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, claimed: ClaimedDelivery) -> None:
        try:
            outcome = await self._send(claimed)
            self._af.deliveries.sent["delivered" if outcome.error is None else "failed"] += 1
            await self._af.run(self._af.deliveries.settle(claimed, outcome))
        except errors.AuthfactorError as error:
            # The lease runs out and the delivery is sent once more.
            log.warning("delivery %s was not written down: %s", claimed.delivery.id, error.message)
        except Exception:
            log.exception("unexpected failure, delivery %s", claimed.delivery.id)
        finally:
            self._in_flight[_endpoint_key(claimed)] -= 1
            self._wake.set()

    async def _send(self, claimed: ClaimedDelivery) -> DeliveryOutcome:
        try:
            signed = self._af.deliveries.sign(claimed)
        except NothingToSend as error:
            return DeliveryOutcome(None, str(error))
        return await self._open_sender().post(*signed)

    def _open_sender(self) -> "WebhookSender":
        if self._sender is None:
            from authfactor.outbound.webhook_sender import WebhookSender  # noqa: PLC0415 - imports a tenth of a second of httpx

            settings = self._af.settings
            self._sender = WebhookSender(
                timeout=settings.webhook_timeout, private=settings.webhook_private_addresses
            )
        return self._sender


def _endpoint_key(claimed: ClaimedDelivery) -> EndpointKey:
    return claimed.environment, claimed.endpoint.id
