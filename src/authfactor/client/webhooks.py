"""`client.webhooks`: manage webhook endpoints and verify the signatures of deliveries."""

import hashlib
import hmac
import time
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from authfactor.client.errors import ClientError
from authfactor.client.operations import (
    ApiCall,
    AsyncGroup,
    Group,
    SyncGroup,
    decode_nothing,
    decoder,
    drop_none,
    listing,
    operation,
    path,
    query,
)
from authfactor.client.types import Event, ListResponse, Order, WebhookDelivery, WebhookEndpoint

TOLERANCE: Final = 180
"""Default difference allowed between the signature's time and now, in seconds."""


class SignatureInvalidError(ClientError):
    """The signature is invalid or too old: the delivery may be forged, changed or replayed. Ignore it."""


def verify_event(
    *,
    event_body: bytes | str,
    event_signature: str,
    secret: str,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> Event:
    """Verify the signature of a webhook delivery and return its event.

    The server may deliver an event more than once. Remember the ids of the events that you have processed.

    Args:
        event_body: The raw request body. Do not decode and re-encode the JSON.
        event_signature: Value of the header `WorkOS-Signature`.
        secret: The endpoint's secret.
        tolerance: Difference allowed between the signature's time and now, in seconds.
        now: Current time in seconds since the epoch. Default: the system clock.

    Raises `SignatureInvalidError`.
    """
    body = event_body.encode() if isinstance(event_body, str) else event_body
    parts = dict(part.strip().partition("=")[::2] for part in event_signature.split(","))
    at, given_digest = parts.get("t", ""), parts.get("v1", "")
    if not (at.isascii() and at.isdecimal() and given_digest):
        raise SignatureInvalidError("The signature header is not of the form `t=…, v1=…`.")
    expected = hmac.digest(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hex()
    if not hmac.compare_digest(expected.encode(), given_digest.encode()):
        raise SignatureInvalidError("The signature does not match the body and the secret.")
    seconds = time.time() if now is None else now  # noqa: TID251 - the receiver's own clock
    if abs(seconds - int(at) / 1000) > tolerance:
        raise SignatureInvalidError(f"The signature's time differs from now by more than {tolerance:g} s.")
    try:
        return msgspec.json.decode(body, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SignatureInvalidError(f"The body is not an event: {error}.") from error


class _Webhooks(Group):
    """The methods, written once for both clients. `errors` lists what every method can raise."""

    verify_event = staticmethod(verify_event)

    @listing
    def list_webhook_endpoints(
        self,
        *,
        limit: int | None = None,
        before: str | None = None,
        after: str | None = None,
        order: Order | None = None,
    ) -> ApiCall[ListResponse[WebhookEndpoint]]:
        """List the webhook endpoints, newest first by default.

        Args:
            limit: Items per page, 1 to 100. Default: 10.
            before: Cursor from `list_metadata.before`, for the page that ends just before it.
            after: Cursor from `list_metadata.after`, for the page that starts just after it.
            order: `desc` (newest first), `asc`, or `normal`: `desc` with `before` and `after` swapped.

        Returns a page; iterating over it also fetches the pages after it.

        Raises `UnprocessableEntityError`.
        """
        params = query(limit=limit, before=before, after=after, order=order)
        return ApiCall("GET", "/webhook_endpoints", decoder(ListResponse[WebhookEndpoint]), query=params)

    @operation
    def create_webhook_endpoint(
        self, *, endpoint_url: str, events: Sequence[str]
    ) -> ApiCall[WebhookEndpoint]:
        """Create a webhook endpoint, and return it with the secret that signs its deliveries.

        Args:
            endpoint_url: `https` URL to which events are posted.
            events: Names of the events to send, at least one.

        Raises `ConflictError` if an endpoint with this URL exists, `UnprocessableEntityError`.
        """
        body = {"endpoint_url": endpoint_url, "events": list(events)}
        return ApiCall("POST", "/webhook_endpoints", decoder(WebhookEndpoint), body)

    @operation
    def update_webhook_endpoint(
        self,
        webhook_endpoint_id: str,
        *,
        endpoint_url: str | None = None,
        status: Literal["enabled", "disabled"] | None = None,
        events: Sequence[str] | None = None,
    ) -> ApiCall[WebhookEndpoint]:
        """Update a webhook endpoint. Arguments that are not given leave their field unchanged.

        Args:
            webhook_endpoint_id: Id of the endpoint.
            endpoint_url: `https` URL to which events are posted.
            status: `disabled` stops deliveries; events that happen meanwhile are not sent later.
            events: Names of the events to send, at least one.

        Raises `NotFoundError`, `ConflictError` if an endpoint with this URL exists,
        `UnprocessableEntityError`.
        """
        body = drop_none(
            endpoint_url=endpoint_url, status=status, events=None if events is None else list(events)
        )
        url_path = path("/webhook_endpoints/{}", webhook_endpoint_id)
        return ApiCall("PATCH", url_path, decoder(WebhookEndpoint), body)

    @operation
    def delete_webhook_endpoint(self, webhook_endpoint_id: str) -> ApiCall[None]:
        """Delete a webhook endpoint and its pending deliveries. Raises `NotFoundError`."""
        return ApiCall("DELETE", path("/webhook_endpoints/{}", webhook_endpoint_id), decode_nothing)

    @operation
    def ping_webhook_endpoint(self, webhook_endpoint_id: str) -> ApiCall[WebhookDelivery]:
        """Send the test event `authfactor.ping` to a webhook endpoint, whatever events it subscribes to.

        The event is queued, signed and retried like any other. A paused endpoint is tried at once.

        Raises `NotFoundError`, and `ConflictError` if the endpoint is disabled.
        """
        url_path = path("/authfactor/webhook_endpoints/{}/ping", webhook_endpoint_id)
        return ApiCall("POST", url_path, decoder(WebhookDelivery))


class Webhooks(_Webhooks, SyncGroup):
    """`client.webhooks` of a `Client`."""


class AsyncWebhooks(_Webhooks, AsyncGroup):
    """`client.webhooks` of an `AsyncClient`."""
