"""The event log: each event of a batch is queued for each endpoint that subscribes to its name."""

from authfactor.rules.unit import Scope
from authfactor.store import Tx
from authfactor.wire.webhooks import CreateWebhookEndpoint
from tests.support.installation import Installation


async def test_each_event_of_a_batch_is_queued_for_its_subscribers_only(installation: Installation) -> None:
    af, environment = installation.af, installation.environment
    first, second = await installation.user(), await installation.user()
    wanted = ("https://a.example.org/", "user.deleted"), ("https://b.example.org/", "user.updated")
    requests = [CreateWebhookEndpoint(url, [name]) for url, name in wanted]
    subscribed, _ = [await af.run(af.webhooks.create(environment, request)) for request in requests]
    af.events.outbox_grew.clear()

    async def append(tx: Tx) -> None:
        scope = Scope(tx, environment, installation.clock())
        await af.events.append_each(scope, "user.deleted", [(first.id, {"n": 1}), (second.id, {"n": 2})])

    await af.run(append)
    queued = installation.sql(
        "SELECT e.user_id, d.endpoint_id FROM deliveries d JOIN events e ON e.id = d.event_id ORDER BY e.id"
    )
    assert queued == [(first.id, subscribed.id), (second.id, subscribed.id)]
    assert af.events.outbox_grew.is_set()
