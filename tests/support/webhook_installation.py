"""An installation with webhook endpoints and a dispatcher that runs on demand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from authfactor.core import Authfactor
from authfactor.models import DeliveryRecord, Environment, PageQuery, UserRecord, WebhookEndpointRecord
from authfactor.webhook_dispatcher import deliver_forever
from authfactor.wire.requests import CreateUser, UpdateUser
from authfactor.wire.webhooks import CreateWebhookEndpoint
from tests.support.clock import FakeClock

PATIENCE: Final = 30.0
USER_EVENTS: Final = ["user.created", "user.updated", "user.deleted"]


class WebhookInstallation:
    """An installation, and what webhook tests do with it."""

    def __init__(self, af: Authfactor, clock: FakeClock, environment: Environment) -> None:
        self.af = af
        self.clock = clock
        self.environment = environment
        self._users = 0

    async def endpoint(self, url: str, events: list[str] | None = None) -> WebhookEndpointRecord:
        request = CreateWebhookEndpoint(url, events or USER_EVENTS)
        return await self.af.run(self.af.webhooks.create(self.environment, request))

    async def user(self) -> UserRecord:
        self._users += 1
        request = CreateUser(email=f"user{self._users}@example.com")
        return await self.af.run(await self.af.users.prepare_create(self.environment, request))

    async def rename(self, user: UserRecord, name: str) -> None:
        await self.af.run(
            await self.af.users.prepare_update(self.environment, user.id, UpdateUser(first_name=name))
        )

    async def deliveries(self, state: Any = None) -> list[DeliveryRecord]:  # noqa: ANN401 - a state or None
        page = await self.af.read(
            self.af.deliveries.page(self.environment, PageQuery(limit=100, order="asc"), None, state)
        )
        return page.items

    async def event_ids(self) -> list[str]:
        return [
            row[0] for row in await self.af.read(lambda tx: tx.db.all("SELECT id FROM events ORDER BY id"))
        ]

    @contextlib.asynccontextmanager
    async def dispatching(self) -> AsyncIterator[None]:
        """Run the dispatcher during the block; leaving it waits for deliveries in progress."""
        task = asyncio.create_task(deliver_forever(self.af))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def until(self, met: Callable[[], Any], what: str) -> None:
        """Wait until `met` returns a true value; the time limit only ends a test that would hang."""
        async with asyncio.timeout(PATIENCE):
            while True:
                result = met()
                if asyncio.iscoroutine(result):
                    result = await result
                if result:
                    return
                await asyncio.sleep(0.01)
        raise AssertionError(what)

    async def until_none_pending(self) -> None:
        async def met() -> bool:
            return not await self.deliveries("pending")

        await self.until(met, "deliveries stay pending")

    async def until_attempts(self, count: int) -> None:
        """Wait until `count` attempts in total have been recorded."""

        async def met() -> bool:
            return sum(item.attempts for item in await self.deliveries()) >= count

        await self.until(met, "attempts are not made")
