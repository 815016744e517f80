"""Webhook endpoints: who is told of events, where, and with which secret the telling is signed."""

from typing import Final

import msgspec

from authfactor import errors, ids
from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.errors import InvalidRequest, Item
from authfactor.ids import IdGenerator
from authfactor.models import Clock, Entropy, Environment, PageQuery, RecordPage, WebhookEndpointRecord
from authfactor.outbound import ssrf_guard
from authfactor.rules import pagination
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.events import event_log
from authfactor.settings import Settings
from authfactor.store import Tx, Unit
from authfactor.wire.webhooks import PUBLIC_EVENTS, CreateWebhookEndpoint, UpdateWebhookEndpoint

PREFIX: Final = "whsec_"
KIND: Final = "Webhook Endpoint"
OWN_EVENTS: Final = frozenset(
    {
        event_log.MFA_FAILED,
        event_log.FACTOR_ENROLLED,
        event_log.FACTOR_ACTIVATED,
        event_log.FACTOR_DELETED,
        event_log.REPLAY_REFUSED,
        event_log.ATTEMPT_REFUSED,
        event_log.LINK_CREATED,
        event_log.LINK_OPENED,
        event_log.LINK_COMPLETED,
        event_log.USER_LOCKED,
        event_log.USER_UNLOCKED,
    }
)
KNOWN_EVENTS: Final = PUBLIC_EVENTS | OWN_EVENTS
_MAX_SHOWN: Final = 100


class InvalidWebhookUrl(InvalidRequest):
    """The URL of a webhook endpoint cannot be used."""

    code = "invalid_url"


def secret_row(environment: int, endpoint_id: str) -> SealedLocation:
    """Name the row that a sealed secret belongs to."""
    return SealedLocation("webhook_endpoints", "secret", environment, endpoint_id)


class WebhookEndpoints:
    """Creates, lists, changes and deletes endpoints. What it hands out has the secret opened."""

    def __init__(
        self, clock: Clock, entropy: Entropy, new_id: IdGenerator, vault: Vault, settings: Settings
    ) -> None:
        """Take what the rules may use."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._vault = vault
        self._private = settings.webhook_private_addresses

    def create(self, environment: Environment, request: CreateWebhookEndpoint) -> Unit[WebhookEndpointRecord]:
        """Prepare a new endpoint with a secret of its own.

        Raises `InvalidRequest` and `InvalidUrl`; the unit raises `Conflict` when the URL is taken.
        """
        if not request.endpoint_url:
            text = "endpoint_url: required, the https URL that events are posted to."
            raise InvalidRequest(Item("endpoint_url", "endpoint_url_required", text))
        self._check_url(request.endpoint_url)
        names = _names(request.events)
        now = self._clock()
        endpoint_id = self._new_id(ids.WEBHOOK_ENDPOINT)
        secret = PREFIX + random_token(self._entropy)
        shown = WebhookEndpointRecord(endpoint_id, request.endpoint_url, secret, "enabled", names, now, now)
        sealed = self._vault.seal(secret.encode(), secret_row(environment.number, endpoint_id))
        kept = msgspec.structs.replace(shown, secret=sealed)

        async def run(tx: Tx) -> WebhookEndpointRecord:
            if not await tx.webhook_endpoints.insert(environment.number, kept):
                raise _duplicate(shown.endpoint_url)
            return shown

        return run

    def page(self, environment: Environment, query: PageQuery) -> Unit[RecordPage[WebhookEndpointRecord]]:
        """List the endpoints. The unit raises `InvalidRequest` for an unknown cursor."""

        async def run(tx: Tx) -> RecordPage[WebhookEndpointRecord]:
            for field, cursor in (("before", query.before), ("after", query.after)):
                if cursor and await tx.webhook_endpoints.by_id(environment.number, cursor) is None:
                    raise pagination.unknown_cursor(field, cursor)
            items, more_before, more_after = await tx.webhook_endpoints.page(environment.number, query)
            opened = [self.opened(environment.number, item) for item in items]
            return pagination.page(opened, query, more_before=more_before, more_after=more_after)

        return run

    def update(
        self, environment: Environment, endpoint_id: str, request: UpdateWebhookEndpoint
    ) -> Unit[WebhookEndpointRecord]:
        """Change an endpoint; absent fields stay. Disabled, it is told of nothing until it is enabled.

        Raises `InvalidRequest` and `InvalidUrl`; the unit raises `NotFound`, and `Conflict` when another
        endpoint has the URL.
        """
        if request.endpoint_url is not None:
            self._check_url(request.endpoint_url)
        names = None if request.events is None else _names(request.events)
        now = self._clock()

        async def run(tx: Tx) -> WebhookEndpointRecord:
            known = await tx.webhook_endpoints.by_id(environment.number, endpoint_id)
            if known is None:
                raise errors.NotFound(KIND, endpoint_id)
            changed = msgspec.structs.replace(
                known,
                endpoint_url=request.endpoint_url or known.endpoint_url,
                status=request.status or known.status,
                events=names or known.events,
                updated_at=now,
            )
            if not await tx.webhook_endpoints.update(environment.number, changed):
                raise _duplicate(changed.endpoint_url)
            return self.opened(environment.number, changed)

        return run

    def delete(self, environment: Environment, endpoint_id: str) -> Unit[None]:
        """Delete an endpoint and what it has not been told yet. The unit raises `NotFound`."""

        async def run(tx: Tx) -> None:
            if not await tx.webhook_endpoints.delete(environment.number, endpoint_id):
                raise errors.NotFound(KIND, endpoint_id)
            await tx.deliveries.drop_pending(environment.number, endpoint_id)

        return run

    def opened(self, environment: int, endpoint: WebhookEndpointRecord) -> WebhookEndpointRecord:
        """Open the secret. Raises `vault.CannotOpen`."""
        secret = self._vault.unseal(endpoint.secret, secret_row(environment, endpoint.id))
        return msgspec.structs.replace(endpoint, secret=secret.decode())

    def _check_url(self, url: str) -> None:
        try:
            ssrf_guard.admit(url, private=self._private)
        except ssrf_guard.ForbiddenUrl as error:
            text = f"endpoint_url {error}."
            raise InvalidWebhookUrl(Item("endpoint_url", "invalid_url", text), message=text) from error


def _duplicate(url: str) -> errors.Conflict:
    return errors.Conflict(
        "duplicate_endpoint", f"A webhook endpoint for '{url}' exists already. Change that one."
    )


def _names(given: list[str] | None) -> tuple[str, ...]:
    """Check the names of events; one item for each that is unknown."""
    if not given:
        raise InvalidRequest(
            Item("events", "events_required", "events: required, at least one name of an event.")
        )
    items = [
        Item("events", "unknown_event_type", f"events: there is no event '{name[:_MAX_SHOWN]}'.")
        for name in dict.fromkeys(given)
        if name not in KNOWN_EVENTS
    ]
    if items:
        raise InvalidRequest(*items)
    return tuple(dict.fromkeys(given))
