"""The endpoints of webhooks: parse, one call, render."""

from authfactor.http.api.parameters import PAGE
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.wire import responses, webhooks

TAG = "webhooks"


async def list_webhook_endpoints(call: Request) -> Response:
    """List the webhook endpoints."""
    query = call.page_query(call.query())
    return await call.read(call.af.webhooks.page(call.environment, query), webhooks.endpoints)


async def create_webhook_endpoint(call: Request) -> Response:
    """Create a webhook endpoint."""
    unit = call.af.webhooks.create(call.environment, call.read_body(webhooks.CreateWebhookEndpoint))
    return await call.administer(unit, webhooks.endpoint, "webhook_endpoint.create", lambda made: made.id)


async def update_webhook_endpoint(call: Request) -> Response:
    """Change a webhook endpoint."""
    body = call.read_body(webhooks.UpdateWebhookEndpoint)
    unit = call.af.webhooks.update(call.environment, call.ids[0], body)
    return await call.administer(unit, webhooks.endpoint, "webhook_endpoint.update", call.ids[0])


async def delete_webhook_endpoint(call: Request) -> Response:
    """Delete a webhook endpoint."""
    unit = call.af.webhooks.delete(call.environment, call.ids[0])
    return await call.administer(unit, None, "webhook_endpoint.delete", call.ids[0])


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
]
