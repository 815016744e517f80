"""Webhook endpoints and their deliveries."""

from typing import Final, cast, get_args

from authfactor.http.pages.console.activity import EVENT_NAMES
from authfactor.http.pages.console.console_request import ConsoleRequest, page_links
from authfactor.http.response import Response
from authfactor.models import PageQuery, WebhookEndpointRecord
from authfactor.rules.events.deliveries import State
from authfactor.rules.events.webhook_endpoints import KNOWN_EVENTS
from authfactor.wire.webhooks import CreateWebhookEndpoint, UpdateWebhookEndpoint

MAX_ENDPOINTS: Final = 100
# The contract has many more events that this server never sends.
SELECTABLE_EVENTS: Final = tuple(name for name in EVENT_NAMES if name in KNOWN_EVENTS)


async def show_endpoints(request: ConsoleRequest, created: WebhookEndpointRecord | None = None) -> Response:
    """List the endpoints. The signing secret of a `created` one is shown only now."""
    page = await request.af.read(
        request.af.webhooks.page(request.environment, PageQuery(limit=MAX_ENDPOINTS))
    )
    return request.render(
        "webhooks.html",
        here="webhooks",
        endpoints=page.items,
        created=created,
        event_names=SELECTABLE_EVENTS,
    )


async def create_endpoint(request: ConsoleRequest) -> Response:
    """Create an endpoint and show its signing secret."""
    names = [name for name in SELECTABLE_EVENTS if request.field(f"event:{name}")]
    body = CreateWebhookEndpoint(endpoint_url=request.field("endpoint_url"), events=names)
    unit = request.af.webhooks.create(request.environment, body)
    created = await request.act("webhook_endpoint.create", unit, lambda endpoint: endpoint.id)
    return await show_endpoints(request, created)


async def enable(request: ConsoleRequest) -> Response:
    """Enable an endpoint."""
    unit = request.af.webhooks.update(
        request.environment, request.ids[0], UpdateWebhookEndpoint(status="enabled")
    )
    await request.act("webhook_endpoint.update", unit, request.ids[0])
    return request.redirect(f"{request.home}/webhooks", "enabled")


async def disable(request: ConsoleRequest) -> Response:
    """Disable an endpoint: it receives no events until it is enabled."""
    unit = request.af.webhooks.update(
        request.environment, request.ids[0], UpdateWebhookEndpoint(status="disabled")
    )
    await request.act("webhook_endpoint.update", unit, request.ids[0])
    return request.redirect(f"{request.home}/webhooks", "disabled")


async def delete(request: ConsoleRequest) -> Response:
    """Delete an endpoint and its pending deliveries."""
    unit = request.af.webhooks.delete(request.environment, request.ids[0])
    await request.act("webhook_endpoint.delete", unit, request.ids[0])
    return request.redirect(f"{request.home}/webhooks", "deleted")


async def ping(request: ConsoleRequest) -> Response:
    """Send a test event to an endpoint."""
    unit = request.af.deliveries.ping(request.environment, request.ids[0])
    await request.act("webhook_endpoint.ping", unit, request.ids[0])
    return request.redirect(f"{request.home}/webhooks", "pinged")


async def show_deliveries(request: ConsoleRequest) -> Response:
    """List deliveries, newest first."""
    query = request.page_request.query()
    requested = query.get("state", "")
    state = cast("State", requested) if requested in get_args(State) else None
    endpoint = query.get("endpoint") or None
    unit = request.af.deliveries.page(request.environment, request.page_query(), endpoint, state)
    page = await request.af.read(unit)
    newer, older = page_links(f"{request.home}/deliveries", query, page.before, page.after)
    return request.render(
        "deliveries.html",
        here="deliveries",
        deliveries=page.items,
        states=get_args(State),
        state=state or "",
        endpoint=endpoint,
        newer=newer,
        older=older,
    )


async def resend(request: ConsoleRequest) -> Response:
    """Send a delivery now, whatever its state."""
    unit = request.af.deliveries.resend(request.environment, request.ids[0])
    await request.act("delivery.resend", unit, request.ids[0])
    return request.redirect(f"{request.home}/deliveries", "resent")
