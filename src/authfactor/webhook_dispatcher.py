"""The webhook dispatcher: claims due deliveries from the outbox and sends them, a few concurrently.

Every worker process runs one; claims in the database keep two of them from sending the same delivery. Nothing
is sent within a transaction, so a receiver that never responds does not delay any request.
"""

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.models import ClaimedDelivery, DeliveryOutcome
from authfactor.rules.events.deliveries import FIRST_ENDPOINT, MAX_PER_CLAIM, NothingToSend
from authfactor.rules.events.delivery_places import MAX_CONCURRENT, EndpointKey

if TYPE_CHECKING:
    from authfactor.outbound.webhook_sender import WebhookSender

POLL_SECONDS: Final = 1.0

log = logging.getLogger("authfactor.delivering")


async def deliver_forever(af: Authfactor, sender: "WebhookSender | None" = None) -> None:
    """Deliver until canceled; deliveries in progress are then finished within their time limit."""
    dispatcher = WebhookDispatcher(af, sender)
    try:
        await dispatcher.run()
    finally:
        await dispatcher.finish()


class WebhookDispatcher:
    """Sends an installation's webhook deliveries from one process."""

    def __init__(self, af: Authfactor, sender: "WebhookSender | None" = None) -> None:
        """Deliver for `af`; by default the sender is created on first use, and tests pass their own."""
        self._af = af
        self._sender = sender
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight: Counter[EndpointKey] = Counter()
        self._last_endpoint: EndpointKey = FIRST_ENDPOINT
        self._wake = af.deliveries.grew

    async def run(self) -> None:
        """Claim and send forever; woken by new events of this process, finished deliveries, and a timer."""
        woken = False
        while True:
            self._wake.clear()
            try:
                await self._start_due(woken=woken)
            except errors.AuthfactorError as error:
                log.warning("webhook deliveries are postponed: %s", error.message)
                woken = False
                await asyncio.sleep(POLL_SECONDS)
                continue
            except Exception:
                log.exception("unexpected failure while claiming webhook deliveries")
                woken = False
                await asyncio.sleep(POLL_SECONDS)
                continue
            woken = await self._wait_for_wake()

    async def finish(self) -> None:
        """Wait for deliveries in progress, then close the sender."""
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
        capacity = min(MAX_CONCURRENT - len(self._tasks), MAX_PER_CLAIM)
        # The wake-up precedes the commit of its event: only a writing unit is sure to run after that commit.
        if capacity < 1 or not (woken or await self._af.read(self._af.deliveries.any_due())):
            return
        claims = await self._af.run(self._af.deliveries.claim(self._last_endpoint, self._in_flight, capacity))
        if len(claims) == capacity:
            self._wake.set()  # there may be more
        for claimed in claims:
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
            # The claim expires, and the delivery is sent again.
            log.warning("outcome of delivery %s was not stored: %s", claimed.delivery.id, error.message)
        except Exception:
            log.exception("unexpected failure, delivery %s", claimed.delivery.id)
        finally:
            self._in_flight -= Counter([_endpoint_key(claimed)])  # without keeping zeros
            self._wake.set()

    async def _send(self, claimed: ClaimedDelivery) -> DeliveryOutcome:
        try:
            signed = self._af.deliveries.sign(claimed)
        except NothingToSend as error:
            return DeliveryOutcome(None, str(error), requested=False)
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
