"""`client.webhooks`: where events are posted to, and whether a delivery is genuine."""

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
    given,
    listing,
    nothing,
    operation,
    path,
    query,
    reader,
)
from authfactor.client.types import Event, ListResponse, Order, WebhookEndpoint

TOLERANCE: Final = 180
"""Seconds that the time in a signature may be away from now."""


class SignatureInvalidError(ClientError):
    """A delivery is not from who it should be, was changed, or is too old. Do not act on it."""


def verify_event(
    *,
    event_body: bytes | str,
    event_signature: str,
    secret: str,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> Event:
    """Check a delivery and return its event.

    Args:
        event_body: The body as it came, byte for byte: not decoded and encoded again.
        event_signature: The header `WorkOS-Signature`.
        secret: The endpoint's secret.
        tolerance: Seconds that the signature's time may be away from now.
        now: Seconds of the epoch; default: the clock.

    Raises `SignatureInvalidError`. A delivery may come twice: keep the ids of the events you have handled.
    """
    body = event_body.encode() if isinstance(event_body, str) else event_body
    parts = dict(part.strip().partition("=")[::2] for part in event_signature.split(","))
    at, given_digest = parts.get("t", ""), parts.get("v1", "")
    if not (at.isascii() and at.isdecimal() and given_digest):
        raise SignatureInvalidError("The signature header is not `t=…, v1=…`.")
    expected = hmac.digest(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hex()
    if not hmac.compare_digest(expected.encode(), given_digest.encode()):
        raise SignatureInvalidError("The signature does not belong to this body and this secret.")
    seconds = time.time() if now is None else now  # noqa: TID251 - the receiver's own clock
    if abs(seconds - int(at) / 1000) > tolerance:
        raise SignatureInvalidError(f"The delivery was signed more than {tolerance:g} s away from now.")
    try:
        return msgspec.json.decode(body, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SignatureInvalidError(f"The body is no event: {error}.") from error


class _Webhooks(Group):
    """The methods, written once for both clients."""

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
        """List the endpoints. Raises `UnprocessableEntityError`."""
        asked = query(limit=limit, before=before, after=after, order=order)
        return ApiCall("GET", "/webhook_endpoints", reader(ListResponse[WebhookEndpoint]), query=asked)

    @operation
    def create_webhook_endpoint(
        self, *, endpoint_url: str, events: Sequence[str]
    ) -> ApiCall[WebhookEndpoint]:
        """Have events of these names posted to a URL. Raises `ConflictError`, `UnprocessableEntityError`."""
        body = {"endpoint_url": endpoint_url, "events": list(events)}
        return ApiCall("POST", "/webhook_endpoints", reader(WebhookEndpoint), body)

    @operation
    def update_webhook_endpoint(
        self,
        webhook_endpoint_id: str,
        *,
        endpoint_url: str | None = None,
        status: Literal["enabled", "disabled"] | None = None,
        events: Sequence[str] | None = None,
    ) -> ApiCall[WebhookEndpoint]:
        """Change an endpoint; what is not given stays.

        Raises `NotFoundError`, `ConflictError`, `UnprocessableEntityError`.
        """
        body = given(
            endpoint_url=endpoint_url, status=status, events=None if events is None else list(events)
        )
        where = path("/webhook_endpoints/{}", webhook_endpoint_id)
        return ApiCall("PATCH", where, reader(WebhookEndpoint), body)

    @operation
    def delete_webhook_endpoint(self, webhook_endpoint_id: str) -> ApiCall[None]:
        """Delete an endpoint; nothing is sent there any more. Raises `NotFoundError`."""
        return ApiCall("DELETE", path("/webhook_endpoints/{}", webhook_endpoint_id), nothing)


class Webhooks(_Webhooks, SyncGroup):
    """`client.webhooks` of a `Client`."""


class AsyncWebhooks(_Webhooks, AsyncGroup):
    """`client.webhooks` of an `AsyncClient`."""
