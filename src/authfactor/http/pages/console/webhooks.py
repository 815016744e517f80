"""Webhook endpoints, and what became of the deliveries to them."""

from typing import Final, cast, get_args

from authfactor.http.pages.console.activity import NAMES
from authfactor.http.pages.console.console_request import ConsoleRequest, operator_page, page_links
from authfactor.http.response import Response
from authfactor.models import PageQuery, WebhookEndpointRecord
from authfactor.rules.events.deliveries import State
from authfactor.rules.events.webhook_endpoints import KNOWN_EVENTS
from authfactor.wire.webhooks import CreateWebhookEndpoint, UpdateWebhookEndpoint

ENDPOINTS: Final = 100
# The contract names many more that this server has no occasion to send.
SENT: Final = tuple(name for name in NAMES if name in KNOWN_EVENTS)


async def show_endpoints(request: ConsoleRequest, made: WebhookEndpointRecord | None = None) -> Response:
    """List the endpoints; a new one with its secret, this once."""
    page = await request.af.read(request.af.webhooks.page(request.environment, PageQuery(limit=ENDPOINTS)))
    return request.render(
        "webhooks.html",
        here="webhooks",
        endpoints=page.items,
        made=made,
        known=SENT,
    )


async def create_endpoint(room: ConsoleRequest) -> Response:
    """Make an endpoint and show its secret."""
    names = [name for name in SENT if room.field(f"event:{name}")]
    request = CreateWebhookEndpoint(endpoint_url=room.field("endpoint_url"), events=names)
    unit = room.af.webhooks.create(room.environment, request)
    made = await room.act("webhook_endpoint.create", unit, lambda endpoint: endpoint.id)
    return await show_endpoints(room, made)


async def enable(request: ConsoleRequest) -> Response:
    """Tell an endpoint of events again."""
    unit = request.af.webhooks.update(
        request.environment, request.ids[0], UpdateWebhookEndpoint(status="enabled")
    )
    await request.act("webhook_endpoint.update", unit, request.ids[0])
    return request.redirect(f"{request.home}/webhooks", "enabled")


async def disable(request: ConsoleRequest) -> Response:
    """Tell an endpoint of nothing until it is enabled."""
    unit = request.af.webhooks.update(
        request.environment, request.ids[0], UpdateWebhookEndpoint(status="disabled")
    )
    await request.act("webhook_endpoint.update", unit, request.ids[0])
    return request.redirect(f"{request.home}/webhooks", "disabled")


async def delete(request: ConsoleRequest) -> Response:
    """Delete an endpoint and what it has not been told yet."""
    unit = request.af.webhooks.delete(request.environment, request.ids[0])
    await request.act("webhook_endpoint.delete", unit, request.ids[0])
    return request.redirect(f"{request.home}/webhooks", "deleted")


async def show_deliveries(request: ConsoleRequest) -> Response:
    """List deliveries, newest first."""
    query = request.visit.query()
    asked = query.get("state", "")
    state = cast("State", asked) if asked in get_args(State) else None
    endpoint = query.get("endpoint") or None
    unit = request.af.deliveries.page(request.environment, request.page_query(), endpoint, state)
    page = await request.af.read(unit)
    previous, following = page_links(f"{request.home}/deliveries", query, page.before, page.after)
    return request.render(
        "deliveries.html",
        here="deliveries",
        deliveries=page.items,
        states=get_args(State),
        state=state or "",
        endpoint=endpoint,
        previous=previous,
        following=following,
        newest=not (query.get("before") or query.get("after")),
    )


async def resend(request: ConsoleRequest) -> Response:
    """Send a delivery now, whatever became of it."""
    unit = request.af.deliveries.resend(request.environment, request.ids[0])
    await request.act("delivery.resend", unit, request.ids[0])
    return request.redirect(f"{request.home}/deliveries", "resent")


_ENDPOINT: Final = "/console/e/{environment}/webhooks/{endpoint}"
ROUTES = [
    operator_page("GET", "/console/e/{environment}/webhooks", show_endpoints, "Webhook endpoints"),
    operator_page(
        "POST",
        "/console/e/{environment}/webhooks",
        create_endpoint,
        "Create a webhook endpoint",
        on_error=show_endpoints,
    ),
    operator_page(
        "POST", f"{_ENDPOINT}/enable", enable, "Enable a webhook endpoint", on_error=show_endpoints
    ),
    operator_page(
        "POST", f"{_ENDPOINT}/disable", disable, "Disable a webhook endpoint", on_error=show_endpoints
    ),
    operator_page(
        "POST", f"{_ENDPOINT}/delete", delete, "Delete a webhook endpoint", on_error=show_endpoints
    ),
    operator_page("GET", "/console/e/{environment}/deliveries", show_deliveries, "Deliveries"),
    operator_page(
        "POST",
        "/console/e/{environment}/deliveries/{delivery}/resend",
        resend,
        "Send a delivery now",
        on_error=show_deliveries,
    ),
]
