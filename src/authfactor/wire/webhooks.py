"""Request and response bodies of webhook endpoints and deliveries (contract section 6.3); event names."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from authfactor.models import DeliveryRecord, RecordPage, WebhookEndpointRecord
from authfactor.wire import timestamps
from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ListMetadataObject, ListOf, ResponseModel, Timestamp

Status = Literal["enabled", "disabled"]

# All names that the public API lets an endpoint subscribe to, including events this server never emits.
_PUBLIC: Final = {
    "agent.registration": "created claim.attempt.created claim.completed credential.issued deleted refreshed"
    " expired organization.switched revoked",
    "api_key": "created revoked updated",
    "authentication": "email_verification_succeeded magic_auth_failed magic_auth_succeeded mfa_succeeded"
    " oauth_failed oauth_succeeded password_failed password_succeeded passkey_failed passkey_succeeded"
    " radar_risk_detected reauthentication_succeeded sso_failed sso_started sso_succeeded sso_timed_out",
    "connection": "activated deactivated deleted saml_certificate_renewal_required saml_certificate_renewed",
    "dsync": "activated deleted",
    "dsync.group": "created deleted updated user_added user_removed",
    "dsync.user": "created deleted updated",
    "email_verification": "created",
    "flag": "created deleted updated rule_updated",
    "group": "created deleted member_added member_removed updated",
    "invitation": "accepted created resent revoked",
    "magic_auth": "created",
    "organization": "created deleted updated",
    "organization_domain": "created deleted updated verified verification_failed",
    "organization_membership": "created deleted updated",
    "organization_role": "created deleted updated",
    "password_reset": "created succeeded",
    "permission": "created deleted updated",
    "pipes.connected_account": "connected connection_failed disconnected reauthorization_needed",
    "radar": "challenge_created",
    "role": "created deleted updated",
    "session": "created revoked",
    "user": "created updated deleted",
    "waitlist_user": "approved created denied",
}
PUBLIC_EVENTS: Final = frozenset(
    f"{group}.{name}" for group, names in _PUBLIC.items() for name in names.split()
)

Events = Annotated[list[str] | None, Meta(description="Names of events; at least one.")]
Url = Annotated[str | None, Meta(description="The https URL that events are posted to.")]


class CreateWebhookEndpoint(RequestModel, frozen=True, gc=False):
    """Create a webhook endpoint."""

    endpoint_url: Url = None
    events: Events = None


class UpdateWebhookEndpoint(RequestModel, frozen=True, gc=False):
    """Update a webhook endpoint. Absent fields are unchanged."""

    endpoint_url: Url = None
    status: Status | None = None
    events: Events = None


class WebhookEndpointObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="webhook_endpoint"):
    """A webhook endpoint. The secret is also present in lists, because SDKs require it."""

    id: str
    endpoint_url: str
    secret: str
    status: Status
    events: tuple[str, ...]
    created_at: Timestamp
    updated_at: Timestamp


class WebhookEndpointHealth(WebhookEndpointObject, frozen=True, gc=False):
    """A webhook endpoint with its failures, for operators. `paused_until` is set while it keeps failing."""

    failures: int
    paused_until: Timestamp | None
    last_error: str | None


class PingedEndpoint(ResponseModel, frozen=True, gc=False, tag_field="object", tag="webhook_endpoint"):
    """Data of the test event: the endpoint that it is sent to."""

    id: str
    endpoint_url: str


class WebhookDeliveryObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="webhook_delivery"):
    """The delivery of one event to one endpoint, for operators."""

    id: str
    endpoint_id: str
    event_id: str
    event: str | None
    user_id: str | None
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    due_at: Timestamp
    last_status: int | None
    last_error: str | None
    created_at: Timestamp
    updated_at: Timestamp


def endpoint(record: WebhookEndpointRecord) -> WebhookEndpointObject:
    """Render an endpoint whose secret has been unsealed."""
    return WebhookEndpointObject(
        record.id,
        record.endpoint_url,
        record.secret,
        record.status,
        record.events,
        timestamps.format_ms(record.created_at),
        timestamps.format_ms(record.updated_at),
    )


def endpoints(page: RecordPage[WebhookEndpointRecord]) -> ListOf[WebhookEndpointObject]:
    """Render a page of endpoints."""
    return ListOf([endpoint(item) for item in page.items], ListMetadataObject(page.before, page.after))


def endpoints_health(page: RecordPage[WebhookEndpointRecord]) -> ListOf[WebhookEndpointHealth]:
    """Render a page of endpoints with their failures."""
    items = [
        WebhookEndpointHealth(
            **msgspec.structs.asdict(endpoint(item)),
            failures=item.failures,
            paused_until=None if item.paused_until is None else timestamps.format_ms(item.paused_until),
            last_error=item.last_error,
        )
        for item in page.items
    ]
    return ListOf(items, ListMetadataObject(page.before, page.after))


def delivery(record: DeliveryRecord) -> WebhookDeliveryObject:
    """Render a delivery."""
    return WebhookDeliveryObject(
        record.id,
        record.endpoint_id,
        record.event_id,
        record.event,
        record.user_id,
        record.state,
        record.attempts,
        timestamps.format_ms(record.due_at),
        record.last_status,
        record.last_error,
        timestamps.format_ms(record.created_at),
        timestamps.format_ms(record.updated_at),
    )


def deliveries(page: RecordPage[DeliveryRecord]) -> ListOf[WebhookDeliveryObject]:
    """Render a page of deliveries."""
    return ListOf([delivery(item) for item in page.items], ListMetadataObject(page.before, page.after))
