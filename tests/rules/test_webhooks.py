"""What an endpoint's request may hold, and the deliveries that are listed, claimed and signed."""

import msgspec
import pytest

from authfactor import errors
from authfactor.models import ClaimedDelivery, PageQuery, WebhookEndpointRecord
from authfactor.rules.events.deliveries import FIRST_ENDPOINT, NothingToSend
from authfactor.rules.events.webhook_endpoints import InvalidWebhookUrl
from authfactor.wire.webhooks import CreateWebhookEndpoint, UpdateWebhookEndpoint
from tests.support.installation import Installation

URL = "https://hooks.example.org/authfactor"
OTHER_URL = "https://hooks.example.org/other"


async def endpoint(installation: Installation, url: str = URL) -> WebhookEndpointRecord:
    request = CreateWebhookEndpoint(url, ["user.created"])
    return await installation.af.run(installation.af.webhooks.create(installation.environment, request))


async def update(installation: Installation, endpoint_id: str, **fields: object) -> WebhookEndpointRecord:
    request = UpdateWebhookEndpoint(**fields)  # type: ignore[arg-type]  # any field
    return await installation.af.run(
        installation.af.webhooks.update(installation.environment, endpoint_id, request)
    )


async def claim(installation: Installation) -> list[ClaimedDelivery]:
    return await installation.af.run(installation.af.deliveries.claim(FIRST_ENDPOINT, {}, 10))


def items(refused: pytest.ExceptionInfo[errors.InvalidRequest]) -> list[str]:
    return [item.code for item in refused.value.items]


@pytest.mark.parametrize(
    ("url", "events", "expected"),
    [
        (None, ["user.created"], ["endpoint_url_required"]),
        ("", ["user.created"], ["endpoint_url_required"]),
        ("http://hooks.example.org/", ["user.created"], ["invalid_url"]),
        ("https://127.0.0.1/", ["user.created"], ["invalid_url"]),
        (URL, None, ["events_required"]),
        (URL, [], ["events_required"]),
        (URL, ["user.created", "no.such", "no.such", "none"], ["unknown_event_type", "unknown_event_type"]),
    ],
)
async def test_invalid_endpoint_is_not_created(
    installation: Installation, url: str | None, events: list[str] | None, expected: list[str]
) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        installation.af.webhooks.create(installation.environment, CreateWebhookEndpoint(url, events))
    assert items(refused) == expected
    assert isinstance(refused.value, InvalidWebhookUrl) == (expected == ["invalid_url"])


async def test_invalid_change_is_refused_and_absent_fields_stay(installation: Installation) -> None:
    made = await endpoint(installation)
    with pytest.raises(InvalidWebhookUrl):
        await update(installation, made.id, endpoint_url="https://10.0.0.1/")
    with pytest.raises(errors.InvalidRequest) as refused:
        await update(installation, made.id, events=[])
    assert items(refused) == ["events_required"]

    changed = await update(installation, made.id, endpoint_url=OTHER_URL, events=["user.deleted"] * 2)
    assert (changed.endpoint_url, changed.events, changed.secret) == (
        OTHER_URL,
        ("user.deleted",),
        made.secret,
    )


async def test_two_endpoints_cannot_share_a_url(installation: Installation) -> None:
    await endpoint(installation)
    other = await endpoint(installation, OTHER_URL)
    with pytest.raises(errors.Conflict) as created:
        await endpoint(installation)
    with pytest.raises(errors.Conflict) as moved:
        await update(installation, other.id, endpoint_url=URL)
    assert created.value.code == moved.value.code == "duplicate_endpoint"


async def test_unknown_endpoints_and_cursors_are_refused(installation: Installation) -> None:
    af, environment = installation.af, installation.environment
    with pytest.raises(errors.NotFound):
        await update(installation, "we_none", status="disabled")
    with pytest.raises(errors.NotFound):
        await af.run(af.webhooks.delete(environment, "we_none"))
    for query in (PageQuery(limit=10, before="none"), PageQuery(limit=10, after="none")):
        with pytest.raises(errors.InvalidRequest):
            await af.read(af.webhooks.page(environment, query))
        with pytest.raises(errors.InvalidRequest):
            await af.read(af.deliveries.page(environment, query, None, None))


async def test_backlog_counts_pending_deliveries_and_their_age(installation: Installation) -> None:
    deliveries = installation.af.deliveries
    assert (await installation.af.read(deliveries.backlog())).pending == 0
    await endpoint(installation)
    await installation.user()
    created_at = installation.clock.now
    installation.clock.advance(60)

    backlog = await installation.af.read(deliveries.backlog())
    assert (backlog.pending, backlog.oldest_event) == (1, created_at)
    assert len(await claim(installation)) == 1
    assert await claim(installation) == []


async def test_nothing_is_sent_for_a_deleted_event_or_a_damaged_secret(installation: Installation) -> None:
    await endpoint(installation)
    await installation.user()
    [claimed] = await claim(installation)
    assert installation.af.deliveries.sign(claimed).url == URL

    with pytest.raises(NothingToSend, match="event has been deleted"):
        installation.af.deliveries.sign(msgspec.structs.replace(claimed, event=None))
    installation.sql("UPDATE webhook_endpoints SET secret = 'v1:000000:AAAA'")
    installation.sql("UPDATE deliveries SET state = 'pending', due_at = 0, claimed_until = 0")
    [damaged] = await claim(installation)
    with pytest.raises(NothingToSend, match="cannot be unsealed"):
        installation.af.deliveries.sign(damaged)
