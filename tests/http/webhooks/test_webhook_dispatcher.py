"""From an event to a receiver: signed, in order, at least once, and never in anybody's way."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from authfactor import __version__, errors
from authfactor.models import DeliveryOutcome, DeliveryRecord
from authfactor.rules.events.deliveries import FIRST_ENDPOINT, LEASE_MARGIN, MAX_CONCURRENT, settled
from authfactor.settings import Settings
from authfactor.wire.webhooks import UpdateWebhookEndpoint
from tests.support import databases
from tests.support.clock import FakeClock
from tests.support.server_process import free_port
from tests.support.webhook_installation import Sink
from tests.support.webhook_receiver import Receiver, receiving, verified_time


async def test_events_arrive_signed_and_in_order(sink: Sink, receiver: Receiver) -> None:
    endpoint = await sink.endpoint(receiver.url)
    async with sink.courier():
        user = await sink.user()
        for name in "abcdefgh":
            await sink.rename(user, name)
        await sink.until_none_pending()
    assert receiver.names == ["user.created"] + ["user.updated"] * 8
    assert receiver.ids == await sink.event_ids()
    for item in receiver.received:
        assert verified_time(item, endpoint.secret) == sink.clock.now
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


async def test_only_what_an_endpoint_subscribes_to_is_put_into_its_outbox(
    sink: Sink, receiver: Receiver
) -> None:
    await sink.endpoint(receiver.url, ["user.updated"])
    user = await sink.user()
    await sink.rename(user, "a")
    assert [item.event for item in await sink.deliveries()] == ["user.updated"]


async def test_a_receiver_that_was_down_gets_everything_in_the_order_of_each_user(
    sink: Sink, receiver: Receiver
) -> None:
    receiver.status = 503
    await sink.endpoint(receiver.url)
    users = [await sink.user() for _ in range(3)]
    for name in "abc":
        for user in users:
            await sink.rename(user, name)
    async with sink.courier():
        await sink.until_attempts(3)
        assert len(receiver.received) == 3
        assert set(receiver.names) == {"user.created"}
        for item in (await sink.deliveries())[:3]:
            assert (item.state, item.attempts, item.last_status) == ("pending", 1, 503)
            assert item.last_error == "the receiver responded with 503"
            assert item.due_at == sink.clock.now + 5000
        sink.clock.advance(5)
        await sink.until_attempts(6)
        receiver.status = 204
        receiver.received.clear()
        sink.clock.advance(20)
        await sink.until_none_pending()
    assert sorted(receiver.ids) == await sink.event_ids()
    for ids in receiver.ids_by_user().values():
        assert len(ids) == 4
        assert ids == sorted(ids)


async def test_a_receiver_that_is_not_there_is_tried_again_until_it_is(sink: Sink) -> None:
    port = free_port()
    await sink.endpoint(f"http://127.0.0.1:{port}/hooks")
    await sink.user()
    async with sink.courier():
        await sink.until_attempts(1)
        assert (await sink.deliveries())[0].last_error == "the receiver cannot be reached"
        with receiving(port) as back:
            sink.clock.advance(5)
            await sink.until_none_pending()
    assert back.names == ["user.created"]


async def test_two_processes_on_one_database_send_each_event_once(
    open_sink: Callable[..., Any], receiver: Receiver
) -> None:
    first, second = await open_sink(), await open_sink()
    await first.endpoint(receiver.url)
    users = [await first.user() for _ in range(8)]
    async with first.courier(), second.courier():
        for name in "abcd":
            for user in users:
                await first.rename(user, name)
        await second.until_none_pending()
    assert sorted(receiver.ids) == await first.event_ids()
    assert len(receiver.ids) == 40
    for ids in receiver.ids_by_user().values():
        assert ids == sorted(ids)


async def test_a_dead_receiver_holds_up_neither_requests_nor_other_receivers(
    sink: Sink, receiver: Receiver
) -> None:
    with receiving() as dead:
        dead.gate.clear()
        await sink.endpoint(dead.url)
        async with sink.courier():
            await sink.user()
            await sink.until(lambda: dead.waiting == 1, "the dead receiver is not asked")
            users = [await sink.user() for _ in range(20)]
            await sink.endpoint(receiver.url, ["user.updated"])
            await sink.until(lambda: dead.waiting >= MAX_CONCURRENT // 2, "nothing waits")
            for user in users:
                await sink.rename(user, "a")
            await sink.until(lambda: len(receiver.received) == 20, "the other receiver waits")
            dead.gate.set()
            await sink.until(lambda: not dead.waiting, "the gate stays closed")


async def test_a_receiver_that_never_answers_is_given_up_after_the_time_limit(
    open_sink: Callable[..., Any], receiver: Receiver
) -> None:
    sink = await open_sink(webhook_timeout=1)
    receiver.gate.clear()
    await sink.endpoint(receiver.url)
    await sink.user()
    async with sink.courier():
        await sink.until_attempts(1)
    assert [item.last_error for item in await sink.deliveries()] == ["no response within 1 s"]


async def test_what_a_dead_process_had_claimed_is_sent_by_another(
    open_sink: Callable[..., Any], clock: FakeClock, receiver: Receiver
) -> None:
    dying, living = await open_sink(), await open_sink()
    await dying.endpoint(receiver.url)
    await dying.user()
    claimed = await dying.af.run(dying.af.deliveries.claim(FIRST_ENDPOINT, {}, 8))
    assert len(claimed) == 1
    assert await living.af.run(living.af.deliveries.claim(FIRST_ENDPOINT, {}, 8)) == []
    clock.advance(dying.af.settings.webhook_timeout + LEASE_MARGIN / 1000)
    async with living.courier():
        await living.until_none_pending()
    assert receiver.names == ["user.created"]
    assert not await dying.af.run(dying.af.deliveries.settle(claimed[0], DeliveryOutcome(500, "too late")))
    assert [item.state for item in await living.deliveries()] == ["delivered"]


async def test_a_claim_takes_one_delivery_of_a_user_and_none_behind_it(
    sink: Sink, receiver: Receiver
) -> None:
    await sink.endpoint(receiver.url)
    user = await sink.user()
    await sink.rename(user, "a")
    first = await sink.af.run(sink.af.deliveries.claim(FIRST_ENDPOINT, {}, 8))
    assert [item.delivery.event for item in first] == ["user.created"]
    assert await sink.af.run(sink.af.deliveries.claim(FIRST_ENDPOINT, {}, 8)) == []
    assert await sink.af.run(sink.af.deliveries.settle(first[0], DeliveryOutcome(200, None)))
    second = await sink.af.run(sink.af.deliveries.claim(FIRST_ENDPOINT, {}, 8))
    assert [item.delivery.event for item in second] == ["user.updated"]


async def test_after_the_last_attempt_a_delivery_fails_and_the_next_goes_on(
    open_sink: Callable[..., Any], receiver: Receiver
) -> None:
    sink = await open_sink(webhook_attempts=2)
    receiver.status = 500
    await sink.endpoint(receiver.url)
    user = await sink.user()
    await sink.rename(user, "a")
    async with sink.courier():
        await sink.until_attempts(1)
        sink.clock.advance(5)
        await sink.until_attempts(3)
        failed = (await sink.deliveries("failed"))[0]
        assert (failed.event, failed.attempts, failed.last_status) == ("user.created", 2, 500)
        receiver.status = 200
        sink.clock.advance(5)
        await sink.until_none_pending()
        again = await sink.af.run(sink.af.deliveries.resend(sink.environment, failed.id))
        assert (again.state, again.attempts, again.due_at) == ("pending", 0, sink.clock.now)
        await sink.until_none_pending()
    assert {item.state for item in await sink.deliveries()} == {"delivered"}
    assert receiver.names[-2:] == ["user.updated", "user.created"]


async def test_what_is_being_sent_or_unknown_is_not_sent_again(sink: Sink, receiver: Receiver) -> None:
    await sink.endpoint(receiver.url)
    await sink.user()
    claimed = await sink.af.run(sink.af.deliveries.claim(FIRST_ENDPOINT, {}, 8))
    with pytest.raises(errors.Conflict):
        await sink.af.run(sink.af.deliveries.resend(sink.environment, claimed[0].delivery.id))
    with pytest.raises(errors.NotFound):
        await sink.af.run(sink.af.deliveries.resend(sink.environment, "wd_unknown"))


def test_waits_grow_fourfold_to_a_day_and_the_last_attempt_fails() -> None:
    settings = Settings(webhook_attempts=12)
    delivery = DeliveryRecord(
        "wd_1", "we_1", "event_1", "user.created", None, "pending", 0, 0, None, None, 0, 0
    )
    waits = []
    while True:
        delivery = settled(delivery, DeliveryOutcome(None, "gone"), 1000, settings)
        if delivery.state != "pending":
            break
        waits.append((delivery.due_at - 1000) // 1000)
    assert waits == [5, 20, 80, 320, 1280, 5120, 20480, 81920, 86400, 86400, 86400]
    assert (delivery.state, delivery.attempts) == ("failed", 12)


async def test_a_disabled_endpoint_is_told_nothing_until_it_is_enabled(
    sink: Sink, receiver: Receiver
) -> None:
    endpoint = await sink.endpoint(receiver.url)

    async def switch(status: Any) -> None:  # noqa: ANN401 - one of two words
        request = UpdateWebhookEndpoint(status=status)
        await sink.af.run(sink.af.webhooks.update(sink.environment, endpoint.id, request))

    await sink.user()
    await switch("disabled")
    await sink.user()
    assert len(await sink.deliveries()) == 1
    assert not await sink.af.read(sink.af.deliveries.any_due())
    assert await sink.af.run(sink.af.deliveries.claim(FIRST_ENDPOINT, {}, 8)) == []
    await switch("enabled")
    async with sink.courier():
        await sink.until_none_pending()
    assert len(receiver.received) == 1


async def test_a_deleted_endpoint_is_told_nothing_more(sink: Sink, receiver: Receiver) -> None:
    endpoint = await sink.endpoint(receiver.url)
    await sink.user()
    await sink.af.run(sink.af.webhooks.delete(sink.environment, endpoint.id))
    assert await sink.deliveries() == []
    await sink.user()
    assert await sink.deliveries() == []


async def test_a_redirect_is_not_followed(sink: Sink, receiver: Receiver) -> None:
    with receiving() as inside:
        receiver.status = 307
        receiver.headers = {"location": inside.url}
        await sink.endpoint(receiver.url)
        await sink.user()
        async with sink.courier():
            await sink.until_attempts(1)
        assert inside.received == []
    assert (await sink.deliveries())[0].last_error == (
        "the receiver responded with 307, and redirects are not followed"
    )


async def test_a_long_answer_does_not_matter(sink: Sink, receiver: Receiver) -> None:
    receiver.answer = b"x" * 5_000_000
    await sink.endpoint(receiver.url)
    await sink.user()
    async with sink.courier():
        await sink.until_none_pending()
    assert [item.state for item in await sink.deliveries()] == ["delivered"]


async def test_the_secret_is_neither_in_the_database_nor_in_logs_nor_in_deliveries(
    sink: Sink, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = await sink.endpoint(receiver.url)
    receiver.status = 500
    await sink.user()
    async with sink.courier():
        await sink.until_attempts(1)
    secret = endpoint.secret.removeprefix("whsec_")
    assert len(secret) == 43
    stored = databases.stored(sink.af.settings)
    assert endpoint.id.encode() in stored
    assert secret.encode() not in stored
    assert secret not in caplog.text
    assert secret not in repr(await sink.deliveries())
