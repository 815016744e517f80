"""Webhook delivery: signed, in order, at least once, and without delaying requests or other receivers."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from authfactor import __version__, errors
from authfactor.models import DeliveryOutcome, DeliveryRecord
from authfactor.rules.events.deliveries import FIRST_ENDPOINT, LEASE_MARGIN, PAUSES, settled
from authfactor.rules.events.delivery_places import MAX_CONCURRENT, MAX_PER_ENDPOINT
from authfactor.settings import Settings
from authfactor.wire.webhooks import UpdateWebhookEndpoint
from tests.support import databases
from tests.support.clock import FakeClock
from tests.support.server_process import free_port
from tests.support.webhook_installation import WebhookInstallation
from tests.support.webhook_receiver import Receiver, receiving, verified_time


async def test_events_arrive_signed_and_in_order(
    installation: WebhookInstallation, receiver: Receiver
) -> None:
    endpoint = await installation.endpoint(receiver.url)
    async with installation.dispatching():
        user = await installation.user()
        for name in "abcdefgh":
            await installation.rename(user, name)
        await installation.until_none_pending()
    assert receiver.names == ["user.created"] + ["user.updated"] * 8
    assert receiver.ids == await installation.event_ids()
    for item in receiver.received:
        assert verified_time(item, endpoint.secret) == installation.clock.now
        assert item.path == "/hooks?from=authfactor"
        assert item.headers["content-type"] == "application/json"
        assert item.headers["user-agent"] == f"authfactor/{__version__}"
        assert item.headers["host"] == f"127.0.0.1:{receiver.port}"
    event = receiver.received[-1].event
    assert event.pop("data")["first_name"] == "h"
    assert event == {
        "object": "event",
        "id": receiver.ids[-1],
        "event": "user.updated",
        "created_at": "2023-11-14T22:13:30.000Z",
        "context": {},
    }


async def test_only_subscribed_events_are_queued(
    installation: WebhookInstallation, receiver: Receiver
) -> None:
    await installation.endpoint(receiver.url, ["user.updated"])
    user = await installation.user()
    await installation.rename(user, "a")
    assert [item.event for item in await installation.deliveries()] == ["user.updated"]


async def test_recovered_receiver_gets_every_event_in_order_per_user(
    installation: WebhookInstallation, receiver: Receiver
) -> None:
    receiver.status = 503
    await installation.endpoint(receiver.url)
    users = [await installation.user() for _ in range(3)]
    for name in "abc":
        for user in users:
            await installation.rename(user, name)
    async with installation.dispatching():
        await installation.until_attempts(3)
        assert len(receiver.received) == 3
        assert set(receiver.names) == {"user.created"}
        for item in (await installation.deliveries())[:3]:
            assert (item.state, item.attempts, item.last_status) == ("pending", 1, 503)
            assert item.last_error == "the receiver responded with 503"
            assert item.due_at == installation.clock.now + 5000
        installation.clock.advance(5)
        await installation.until_attempts(6)
        receiver.status = 204
        receiver.received.clear()
        installation.clock.advance(20)
        await installation.until_none_pending()
    assert sorted(receiver.ids) == await installation.event_ids()
    for ids in receiver.ids_by_user().values():
        assert len(ids) == 4
        assert ids == sorted(ids)


async def test_unreachable_receiver_is_retried(
    installation: WebhookInstallation,
) -> None:
    port = free_port()
    await installation.endpoint(f"http://127.0.0.1:{port}/hooks")
    await installation.user()
    async with installation.dispatching():
        await installation.until_attempts(1)
        assert (await installation.deliveries())[0].last_error == "the receiver cannot be reached"
        with receiving(port) as recovered:
            installation.clock.advance(5)
            await installation.until_none_pending()
    assert recovered.names == ["user.created"]


async def test_two_processes_on_one_database_send_each_event_once(
    open_installation: Callable[..., Any], receiver: Receiver
) -> None:
    first, second = await open_installation(), await open_installation()
    await first.endpoint(receiver.url)
    users = [await first.user() for _ in range(8)]
    async with first.dispatching(), second.dispatching():
        for name in "abcd":
            for user in users:
                await first.rename(user, name)
        await second.until_none_pending()
    assert sorted(receiver.ids) == await first.event_ids()
    assert len(receiver.ids) == 40
    for ids in receiver.ids_by_user().values():
        assert ids == sorted(ids)


async def test_hanging_receiver_delays_neither_requests_nor_other_receivers(
    installation: WebhookInstallation, receiver: Receiver
) -> None:
    with receiving() as hanging:
        hanging.gate.clear()
        await installation.endpoint(hanging.url)
        async with installation.dispatching():
            await installation.user()
            await installation.until(lambda: hanging.waiting == 1, "no request reached the hanging receiver")
            users = [await installation.user() for _ in range(20)]
            await installation.endpoint(receiver.url, ["user.updated"])
            await installation.until(
                lambda: hanging.waiting == MAX_PER_ENDPOINT, "no requests wait at the hanging receiver"
            )
            for user in users:
                await installation.rename(user, "a")
            await installation.until(lambda: len(receiver.received) == 20, "the other receiver got no events")
            hanging.gate.set()
            await installation.until(lambda: not hanging.waiting, "the hanging receiver was not released")


async def test_dead_receivers_of_one_environment_do_not_delay_those_of_another(
    open_installation: Callable[..., Any], receiver: Receiver
) -> None:
    # No place becomes free by a time limit.
    installation = await open_installation(webhook_timeout=60)
    af = installation.af
    other = WebhookInstallation(
        af, installation.clock, await af.run(af.environments.create("other", team_name="Other"))
    )
    with receiving() as hanging:
        hanging.gate.clear()
        for number in range(6):
            await installation.endpoint(f"http://127.0.0.1:{hanging.port}/{number}")
        await other.endpoint(receiver.url, ["user.updated"])
        users = [await other.user() for _ in range(20)]
        for _ in range(20):
            await installation.user()
        async with installation.dispatching():
            await installation.until(
                lambda: hanging.waiting == MAX_CONCURRENT // 2, "the dead receivers do not take their places"
            )
            for user in users:
                await other.rename(user, "a")
            await other.until(lambda: len(receiver.received) == 20, "the other environment got no events")
            assert hanging.waiting == MAX_CONCURRENT // 2
            hanging.gate.set()


async def test_receiver_that_keeps_failing_is_paused_and_probed(
    installation: WebhookInstallation, receiver: Receiver
) -> None:
    receiver.status = 503
    await installation.endpoint(receiver.url)
    async with installation.dispatching():
        for _ in range(PAUSES.failures):
            await installation.user()
        await installation.until_attempts(PAUSES.failures)
        backlog = await installation.af.read(installation.af.deliveries.backlog())
        assert backlog.paused == 1
        await installation.user()
        receiver.status = 200
        installation.clock.advance(PAUSES.first / 1000)
        await installation.until_none_pending()
    assert len(receiver.received) == 2 * PAUSES.failures + 1
    backlog = await installation.af.read(installation.af.deliveries.backlog())
    assert backlog.paused == 0


async def test_receiver_that_never_responds_times_out(
    open_installation: Callable[..., Any], receiver: Receiver
) -> None:
    installation = await open_installation(webhook_timeout=1)
    receiver.gate.clear()
    await installation.endpoint(receiver.url)
    await installation.user()
    async with installation.dispatching():
        await installation.until_attempts(1)
    assert [item.last_error for item in await installation.deliveries()] == ["no response within 1 s"]


async def test_deliveries_claimed_by_a_dead_process_are_sent_by_another(
    open_installation: Callable[..., Any], clock: FakeClock, receiver: Receiver
) -> None:
    crashed, survivor = await open_installation(), await open_installation()
    await crashed.endpoint(receiver.url)
    await crashed.user()
    claimed = await crashed.af.run(crashed.af.deliveries.claim(FIRST_ENDPOINT, {}, 8))
    assert len(claimed) == 1
    assert await survivor.af.run(survivor.af.deliveries.claim(FIRST_ENDPOINT, {}, 8)) == []
    clock.advance(crashed.af.settings.webhook_timeout + LEASE_MARGIN / 1000)
    async with survivor.dispatching():
        await survivor.until_none_pending()
    assert receiver.names == ["user.created"]
    assert not await crashed.af.run(
        crashed.af.deliveries.settle(claimed[0], DeliveryOutcome(500, "too late"))
    )
    assert [item.state for item in await survivor.deliveries()] == ["delivered"]


async def test_only_one_delivery_per_user_is_claimed_at_a_time(
    installation: WebhookInstallation, receiver: Receiver
) -> None:
    await installation.endpoint(receiver.url)
    user = await installation.user()
    await installation.rename(user, "a")
    first = await installation.af.run(installation.af.deliveries.claim(FIRST_ENDPOINT, {}, 8))
    assert [item.delivery.event for item in first] == ["user.created"]
    assert await installation.af.run(installation.af.deliveries.claim(FIRST_ENDPOINT, {}, 8)) == []
    assert await installation.af.run(installation.af.deliveries.settle(first[0], DeliveryOutcome(200, None)))
    second = await installation.af.run(installation.af.deliveries.claim(FIRST_ENDPOINT, {}, 8))
    assert [item.delivery.event for item in second] == ["user.updated"]


async def test_exhausted_delivery_fails_and_the_next_one_is_sent(
    open_installation: Callable[..., Any], receiver: Receiver
) -> None:
    installation = await open_installation(webhook_attempts=2)
    receiver.status = 500
    await installation.endpoint(receiver.url)
    user = await installation.user()
    await installation.rename(user, "a")
    async with installation.dispatching():
        await installation.until_attempts(1)
        installation.clock.advance(5)
        await installation.until_attempts(3)
        failed = (await installation.deliveries("failed"))[0]
        assert (failed.event, failed.attempts, failed.last_status) == ("user.created", 2, 500)
        receiver.status = 200
        installation.clock.advance(5)
        await installation.until_none_pending()
        resent = await installation.af.run(
            installation.af.deliveries.resend(installation.environment, failed.id)
        )
        assert (resent.state, resent.attempts, resent.due_at) == ("pending", 0, installation.clock.now)
        await installation.until_none_pending()
    assert {item.state for item in await installation.deliveries()} == {"delivered"}
    assert receiver.names[-2:] == ["user.updated", "user.created"]


async def test_resending_a_claimed_or_unknown_delivery_is_refused(
    installation: WebhookInstallation, receiver: Receiver
) -> None:
    await installation.endpoint(receiver.url)
    await installation.user()
    claimed = await installation.af.run(installation.af.deliveries.claim(FIRST_ENDPOINT, {}, 8))
    with pytest.raises(errors.Conflict):
        await installation.af.run(
            installation.af.deliveries.resend(installation.environment, claimed[0].delivery.id)
        )
    with pytest.raises(errors.NotFound):
        await installation.af.run(installation.af.deliveries.resend(installation.environment, "wd_unknown"))


def test_retry_delays_grow_fourfold_up_to_a_day() -> None:
    settings = Settings(webhook_attempts=12)
    delivery = DeliveryRecord(
        "wd_1", "we_1", "event_1", "user.created", None, "pending", 0, 0, None, None, 0, 0
    )
    delays = []
    while True:
        delivery = settled(delivery, DeliveryOutcome(None, "gone"), 1000, settings)
        if delivery.state != "pending":
            break
        delays.append((delivery.due_at - 1000) // 1000)
    assert delays == [5, 20, 80, 320, 1280, 5120, 20480, 81920, 86400, 86400, 86400]
    assert (delivery.state, delivery.attempts) == ("failed", 12)


async def test_disabled_endpoint_gets_no_deliveries_until_enabled(
    installation: WebhookInstallation, receiver: Receiver
) -> None:
    endpoint = await installation.endpoint(receiver.url)

    async def set_status(status: Any) -> None:  # noqa: ANN401 - enabled or disabled
        request = UpdateWebhookEndpoint(status=status)
        await installation.af.run(
            installation.af.webhooks.update(installation.environment, endpoint.id, request)
        )

    await installation.user()
    await set_status("disabled")
    await installation.user()
    assert len(await installation.deliveries()) == 1
    assert not await installation.af.read(installation.af.deliveries.any_due())
    assert await installation.af.run(installation.af.deliveries.claim(FIRST_ENDPOINT, {}, 8)) == []
    await set_status("enabled")
    async with installation.dispatching():
        await installation.until_none_pending()
    assert len(receiver.received) == 1


async def test_deleted_endpoint_gets_no_deliveries(
    installation: WebhookInstallation, receiver: Receiver
) -> None:
    endpoint = await installation.endpoint(receiver.url)
    await installation.user()
    await installation.af.run(installation.af.webhooks.delete(installation.environment, endpoint.id))
    assert await installation.deliveries() == []
    await installation.user()
    assert await installation.deliveries() == []


async def test_redirect_is_not_followed(installation: WebhookInstallation, receiver: Receiver) -> None:
    with receiving() as redirect_target:
        receiver.status = 307
        receiver.headers = {"location": redirect_target.url}
        await installation.endpoint(receiver.url)
        await installation.user()
        async with installation.dispatching():
            await installation.until_attempts(1)
        assert redirect_target.received == []
    assert (await installation.deliveries())[0].last_error == (
        "the receiver responded with 307, and redirects are not followed"
    )


async def test_large_response_body_does_not_fail_a_delivery(
    installation: WebhookInstallation, receiver: Receiver
) -> None:
    receiver.answer = b"x" * 5_000_000
    await installation.endpoint(receiver.url)
    await installation.user()
    async with installation.dispatching():
        await installation.until_none_pending()
    assert [item.state for item in await installation.deliveries()] == ["delivered"]


async def test_signing_secret_is_in_no_database_log_or_delivery(
    installation: WebhookInstallation, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = await installation.endpoint(receiver.url)
    receiver.status = 500
    await installation.user()
    async with installation.dispatching():
        await installation.until_attempts(1)
    secret = endpoint.secret.removeprefix("whsec_")
    assert len(secret) == 43
    stored = databases.stored(installation.af.settings)
    assert endpoint.id.encode() in stored
    assert secret.encode() not in stored
    assert secret not in caplog.text
    assert secret not in repr(await installation.deliveries())
