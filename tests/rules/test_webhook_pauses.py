"""Endpoints that keep failing are paused and probed, are limited in number, and are pinged on request."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from authfactor import errors
from authfactor.models import ClaimedDelivery, DeliveryOutcome, PageQuery, WebhookEndpointRecord
from authfactor.rules.events.deliveries import FIRST_ENDPOINT, PAUSES
from authfactor.wire.webhooks import CreateWebhookEndpoint, UpdateWebhookEndpoint
from tests.support.clock import HOUR
from tests.support.installation import Installation, Opener

URL = "https://hooks.example.org/authfactor"
FAILED = DeliveryOutcome(503, "the receiver responded with 503")
DELIVERED = DeliveryOutcome(204, None)
FIRST_PAUSE = PAUSES.first // 1000
AT_ONCE = 50


async def endpoint(
    installation: Installation, url: str = URL, names: Sequence[str] = ("user.created",)
) -> WebhookEndpointRecord:
    request = CreateWebhookEndpoint(url, list(names))
    return await installation.af.run(installation.af.webhooks.create(installation.environment, request))


async def update(installation: Installation, endpoint_id: str, **fields: object) -> None:
    request = UpdateWebhookEndpoint(**fields)  # type: ignore[arg-type]  # any field
    await installation.af.run(installation.af.webhooks.update(installation.environment, endpoint_id, request))


async def stored(installation: Installation) -> WebhookEndpointRecord:
    page = await installation.af.read(installation.af.webhooks.page(installation.environment, PageQuery()))
    [found] = page.items
    return found


async def claim(installation: Installation) -> list[ClaimedDelivery]:
    return await installation.af.run(installation.af.deliveries.claim(FIRST_ENDPOINT, {}, 10))


async def settle(
    installation: Installation, claims: Sequence[ClaimedDelivery], outcome: DeliveryOutcome
) -> None:
    for claimed in claims:
        assert await installation.af.run(installation.af.deliveries.settle(claimed, outcome))


async def paused(installation: Installation) -> WebhookEndpointRecord:
    """Return an endpoint that was paused at this moment, with a dozen deliveries still pending."""
    await endpoint(installation)
    for _ in range(16):
        await installation.user()
    await settle(installation, (await claim(installation))[: PAUSES.failures], FAILED)
    # The claims that were left open have expired, as if their process had died, and wait for the end.
    installation.sql("UPDATE deliveries SET claimed_until = NULL")
    return await stored(installation)


async def test_endpoint_that_keeps_failing_is_paused(installation: Installation) -> None:
    await endpoint(installation)
    for _ in range(16):
        await installation.user()
    *first, fifth, late = await claim(installation)
    await settle(installation, first, FAILED)
    assert (await stored(installation)).paused_until is None
    assert await installation.af.read(installation.af.deliveries.any_due())

    await settle(installation, [fifth], FAILED)
    found = await stored(installation)
    assert (found.failures, found.last_error) == (5, FAILED.error)
    assert found.paused_until == installation.clock.now + PAUSES.first
    assert not await installation.af.read(installation.af.deliveries.any_due())
    assert await claim(installation) == []
    # Sent before the pause: its failure says nothing new.
    await settle(installation, [late], FAILED)
    assert await stored(installation) == found
    backlog = await installation.af.read(installation.af.deliveries.backlog())
    assert (backlog.pending, backlog.oldest_due, backlog.paused) == (16, None, 1)


async def test_success_between_failures_prevents_a_pause(installation: Installation) -> None:
    await endpoint(installation)
    for _ in range(16):
        await installation.user()
    for _ in range(2):
        *most, last = (await claim(installation))[: PAUSES.failures]
        await settle(installation, most, FAILED)
        await settle(installation, [last], DELIVERED)
        assert await stored(installation) == await fresh(installation)


async def fresh(installation: Installation) -> WebhookEndpointRecord:
    """Return the only endpoint as it is while nothing has failed."""
    found = await stored(installation)
    plain = (found.id, found.endpoint_url, found.secret, found.status, found.events)
    return WebhookEndpointRecord(*plain, found.created_at, found.updated_at, 0, None, None)


async def test_paused_endpoint_gets_one_probe_whose_failure_prolongs_the_pause(
    installation: Installation,
) -> None:
    await paused(installation)
    installation.clock.advance(FIRST_PAUSE - 1)
    assert await claim(installation) == []
    installation.clock.advance(1)
    assert await installation.af.read(installation.af.deliveries.any_due())
    probes = await claim(installation)
    assert [item.probe for item in probes] == [True]
    assert await claim(installation) == []

    await settle(installation, probes, FAILED)
    assert (await stored(installation)).paused_until == installation.clock.now + 2 * PAUSES.first
    installation.clock.advance(FIRST_PAUSE)
    assert await claim(installation) == []


async def test_success_of_the_probe_ends_the_pause(installation: Installation) -> None:
    await paused(installation)
    installation.clock.advance(FIRST_PAUSE)
    await settle(installation, await claim(installation), DELIVERED)
    assert await stored(installation) == await fresh(installation)
    claims = await claim(installation)
    assert len(claims) > 1
    assert not any(item.probe for item in claims)


async def test_longest_pause_is_five_minutes(installation: Installation) -> None:
    await paused(installation)
    installation.sql("UPDATE webhook_endpoints SET failures = 1000")
    installation.clock.advance(FIRST_PAUSE)
    await settle(installation, await claim(installation), FAILED)
    assert (await stored(installation)).paused_until == installation.clock.now + 300_000


async def test_probe_of_a_dead_process_is_sent_by_another_when_its_lease_ends(
    installation: Installation,
) -> None:
    await paused(installation)
    installation.clock.advance(FIRST_PAUSE)
    assert len(await claim(installation)) == 1
    installation.clock.advance(HOUR)
    assert [item.probe for item in await claim(installation)] == [True]


async def test_concurrent_claims_of_two_processes_send_one_probe(open_installation: Opener) -> None:
    first, second = await open_installation(), await open_installation()
    await paused(first)
    first.clock.advance(FIRST_PAUSE)
    found = await asyncio.gather(*(claim((first, second)[number % 2]) for number in range(AT_ONCE)))
    assert sum(map(len, found)) == 1


async def test_pause_from_a_clock_that_was_set_back_is_ignored(installation: Installation) -> None:
    await paused(installation)
    installation.clock.advance(-HOUR)
    installation.sql("UPDATE deliveries SET due_at = 0")
    assert len(await claim(installation)) == 1


async def test_delivery_that_cannot_be_sent_does_not_count_as_a_failure(installation: Installation) -> None:
    await endpoint(installation)
    await installation.user()
    await settle(installation, await claim(installation), DeliveryOutcome(None, "deleted", requested=False))
    assert await stored(installation) == await fresh(installation)


async def test_new_url_or_status_ends_a_pause_and_new_events_do_not(installation: Installation) -> None:
    found = await paused(installation)
    await update(installation, found.id, events=["user.created", "user.updated"])
    assert await claim(installation) == []
    await update(installation, found.id, endpoint_url=f"{URL}/moved")
    assert await stored(installation) == await fresh(installation)
    assert len(await claim(installation)) > 1


async def test_environment_has_a_limited_number_of_endpoints(open_installation: Opener) -> None:
    first, second = (
        await open_installation(max_webhook_endpoints=3),
        await open_installation(max_webhook_endpoints=3),
    )
    outcomes = await asyncio.gather(
        *(endpoint((first, second)[number % 2], f"{URL}/{number}") for number in range(AT_ONCE)),
        return_exceptions=True,
    )
    refused = [item for item in outcomes if isinstance(item, BaseException)]
    assert len(outcomes) - len(refused) == 3
    for error in refused:
        assert isinstance(error, errors.InvalidRequest)
        assert [(item.field, item.code) for item in error.items] == [
            ("endpoint_url", "endpoint_limit_reached")
        ]
    # Another environment has a limit of its own, and a deleted endpoint makes room.
    request = CreateWebhookEndpoint(URL, ["user.created"])
    await first.af.run(first.af.webhooks.create(first.other, request))
    created = next(item for item in outcomes if isinstance(item, WebhookEndpointRecord))
    await first.af.run(first.af.webhooks.delete(first.environment, created.id))
    await endpoint(first)


async def test_ping_is_sent_to_its_endpoint_only_whatever_its_subscriptions(
    installation: Installation,
) -> None:
    await endpoint(installation, f"{URL}/other")
    target = await endpoint(installation, names=["session.created"])
    queued = await installation.af.run(installation.af.deliveries.ping(installation.environment, target.id))
    assert (queued.endpoint_id, queued.event, queued.state) == (target.id, "authfactor.ping", "pending")
    [claimed] = await claim(installation)
    assert claimed.delivery == queued
    body = json.loads(installation.af.deliveries.sign(claimed).body)
    assert (body["id"], body["event"]) == (queued.event_id, "authfactor.ping")
    assert body["data"] == {"object": "webhook_endpoint", "id": target.id, "endpoint_url": URL}


async def test_ping_probes_a_paused_endpoint_at_once(installation: Installation) -> None:
    found = await paused(installation)
    installation.sql("DELETE FROM deliveries")
    await installation.af.run(installation.af.deliveries.ping(installation.environment, found.id))
    [probe] = await claim(installation)
    assert (probe.probe, probe.delivery.event) == (True, "authfactor.ping")
    await settle(installation, [probe], FAILED)
    assert (await stored(installation)).paused_until == installation.clock.now + 2 * PAUSES.first


async def test_ping_of_an_unknown_foreign_or_disabled_endpoint_is_refused(installation: Installation) -> None:
    af, target = installation.af, await endpoint(installation)
    for environment, endpoint_id in ((installation.environment, "we_none"), (installation.other, target.id)):
        with pytest.raises(errors.NotFound):
            await af.run(af.deliveries.ping(environment, endpoint_id))
    await update(installation, target.id, status="disabled")
    with pytest.raises(errors.Conflict) as refused:
        await af.run(af.deliveries.ping(installation.environment, target.id))
    assert refused.value.code == "webhook_endpoint_disabled"
    assert await installation.events() == []


async def test_nothing_can_subscribe_to_the_test_event(installation: Installation) -> None:
    with pytest.raises(errors.InvalidRequest):
        await endpoint(installation, names=["authfactor.ping"])
