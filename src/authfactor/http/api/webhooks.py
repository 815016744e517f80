"""The endpoints of webhooks: parse, make one call, render."""

from authfactor.http.api.parameters import PAGE, list_query
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.wire import responses, webhooks

TAG = "webhooks"


async def list_webhook_endpoints(request: Request) -> Response:
    """List the webhook endpoints."""
    query = request.page_query(list_query(request))
    return await request.read(request.af.webhooks.page(request.environment, query), webhooks.endpoints)


async def create_webhook_endpoint(request: Request) -> Response:
    """Create a webhook endpoint."""
    unit = request.af.webhooks.create(request.environment, request.read_body(webhooks.CreateWebhookEndpoint))
    return await request.administer(unit, webhooks.endpoint, "webhook_endpoint.create", lambda made: made.id)


async def update_webhook_endpoint(request: Request) -> Response:
    """Update a webhook endpoint."""
    body = request.read_body(webhooks.UpdateWebhookEndpoint)
    unit = request.af.webhooks.update(request.environment, request.ids[0], body)
    return await request.administer(unit, webhooks.endpoint, "webhook_endpoint.update", request.ids[0])


async def delete_webhook_endpoint(request: Request) -> Response:
    """Delete a webhook endpoint."""
    unit = request.af.webhooks.delete(request.environment, request.ids[0])
    return await request.administer(unit, None, "webhook_endpoint.delete", request.ids[0])


async def ping_webhook_endpoint(request: Request) -> Response:
    """Send a test event to a webhook endpoint."""
    unit = request.af.deliveries.ping(request.environment, request.ids[0])
    return await request.administer(unit, webhooks.delivery, "webhook_endpoint.ping", request.ids[0])


ROUTES = [
    Route(
        "GET",
        "/webhook_endpoints",
        list_webhook_endpoints,
        200,
        "List webhook endpoints",
        gives=responses.ListOf[webhooks.WebhookEndpointObject],
        query=PAGE,
        refusals=(422,),
        tag=TAG,
    ),
    Route(
        "POST",
        "/webhook_endpoints",
        create_webhook_endpoint,
        201,
        "Create a webhook endpoint",
        takes=webhooks.CreateWebhookEndpoint,
        requires=("endpoint_url", "events"),
        gives=webhooks.WebhookEndpointObject,
        refusals=(409, 422),
        tag=TAG,
    ),
    Route(
        "PATCH",
        "/webhook_endpoints/{endpoint_id}",
        update_webhook_endpoint,
        200,
        "Update a webhook endpoint",
        takes=webhooks.UpdateWebhookEndpoint,
        gives=webhooks.WebhookEndpointObject,
        refusals=(404, 409, 422),
        tag=TAG,
    ),
    Route(
        "DELETE",
        "/webhook_endpoints/{endpoint_id}",
        delete_webhook_endpoint,
        204,
        "Delete a webhook endpoint",
        refusals=(404,),
        tag=TAG,
    ),
    Route(
        "POST",
        "/authfactor/webhook_endpoints/{endpoint_id}/ping",
        ping_webhook_endpoint,
        202,
        "Send a test event to a webhook endpoint",
        gives=webhooks.WebhookDeliveryObject,
        refusals=(404, 409, 422),
        tag=TAG,
    ),
]
