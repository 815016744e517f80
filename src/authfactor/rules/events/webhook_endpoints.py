"""Webhook endpoints: URLs that receive events, with the secrets that sign them."""

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
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Unit
from authfactor.wire.webhooks import PUBLIC_EVENTS, CreateWebhookEndpoint, UpdateWebhookEndpoint

PREFIX: Final = "whsec_"
KIND: Final = "Webhook Endpoint"
OWN_EVENTS: Final = frozenset(
    {
        event_log.MFA_FAILED,
        event_log.EMAIL_VERIFICATION_FAILED,
        event_log.FACTOR_ENROLLED,
        event_log.FACTOR_ACTIVATED,
        event_log.FACTOR_IMPORTED,
        event_log.FACTOR_RENAMED,
        event_log.FACTOR_RESYNCED,
        event_log.FACTOR_DELETED,
        event_log.PASSKEY_SUSPECT,
        event_log.REPLAY_REFUSED,
        event_log.RECOVERY_CODES_CREATED,
        event_log.RECOVERY_CODES_USED,
        event_log.RECOVERY_CODES_LOW,
        event_log.SESSION_RAISED,
        event_log.POLICY_CHANGED,
        event_log.GRACE_STARTED,
        event_log.GRACE_ENDED,
        event_log.EXEMPTED,
        event_log.TRUSTED_DEVICE_CREATED,
        event_log.TRUSTED_DEVICE_USED,
        event_log.TRUSTED_DEVICE_REVOKED,
        event_log.TRUSTED_DEVICE_THEFT_SUSPECTED,
        event_log.MESSAGE_SENT,
        event_log.MESSAGE_FAILED,
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
    """The URL cannot be a webhook endpoint's."""

    code = "invalid_url"


def secret_row(environment: int, endpoint_id: str) -> SealedLocation:
    """Return where an endpoint's sealed secret is stored."""
    return SealedLocation("webhook_endpoints", "secret", environment, endpoint_id)


class WebhookEndpoints:
    """Creates, lists, changes and deletes endpoints; the ones it returns have the secret unsealed."""

    def __init__(
        self, clock: Clock, entropy: Entropy, new_id: IdGenerator, vault: Vault, settings: Settings
    ) -> None:
        """Keep the collaborators; `settings` says how many endpoints there may be, and where."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._vault = vault
        self._private = settings.webhook_private_addresses
        self._max_per_environment = settings.max_webhook_endpoints

    def create(self, environment: Environment, request: CreateWebhookEndpoint) -> Unit[WebhookEndpointRecord]:
        """Create an endpoint with a secret of its own.

        Raises `InvalidRequest` and `InvalidWebhookUrl`; the unit raises `InvalidRequest` at the limit, and
        `Conflict` when another endpoint has the URL.
        """
        if not request.endpoint_url:
            text = "endpoint_url: required, the https URL to which events are posted."
            raise InvalidRequest(Item("endpoint_url", "endpoint_url_required", text))
        self._check_url(request.endpoint_url)
        return self._create(environment, request.endpoint_url, _names(request.events))

    @unit
    async def _create(self, scope: Scope, url: str, names: tuple[str, ...]) -> WebhookEndpointRecord:
        await scope.tx.environments.lock(scope.number)
        if await scope.tx.webhook_endpoints.count(scope.number) >= self._max_per_environment:
            text = (
                f"The environment may have at most {self._max_per_environment} webhook endpoints."
                " Delete one first."
            )
            raise InvalidRequest(Item("endpoint_url", "endpoint_limit_reached", text))
        endpoint_id, now = self._new_id(ids.WEBHOOK_ENDPOINT), scope.now
        secret = PREFIX + random_token(self._entropy)
        shown = WebhookEndpointRecord(endpoint_id, url, secret, "enabled", names, now, now)
        sealed = self._vault.seal(secret.encode(), secret_row(scope.number, endpoint_id))
        stored = msgspec.structs.replace(shown, secret=sealed)
        if not await scope.tx.webhook_endpoints.insert(scope.number, stored):
            raise _duplicate(url)
        return shown

    @unit
    async def page(self, scope: Scope, query: PageQuery) -> RecordPage[WebhookEndpointRecord]:
        """List the endpoints. Raises `InvalidRequest` for an unknown cursor."""
        for field, cursor in (("before", query.before), ("after", query.after)):
            if cursor and await scope.tx.webhook_endpoints.by_id(scope.number, cursor) is None:
                raise pagination.unknown_cursor(field, cursor)
        items, more_before, more_after = await scope.tx.webhook_endpoints.page(scope.number, query)
        unsealed = [self.unsealed(scope.number, item) for item in items]
        return pagination.page(unsealed, query, more_before=more_before, more_after=more_after)

    def update(
        self, environment: Environment, endpoint_id: str, request: UpdateWebhookEndpoint
    ) -> Unit[WebhookEndpointRecord]:
        """Change an endpoint; absent fields stay. A disabled endpoint receives nothing until it is enabled.

        A new URL or status ends a pause.

        Raises `InvalidRequest` and `InvalidWebhookUrl`; the unit raises `NotFound`, and `Conflict` when
        another endpoint has the URL.
        """
        if request.endpoint_url is not None:
            self._check_url(request.endpoint_url)
        names = None if request.events is None else _names(request.events)
        return self._update(environment, endpoint_id, request, names)

    @unit
    async def _update(
        self, scope: Scope, endpoint_id: str, request: UpdateWebhookEndpoint, names: tuple[str, ...] | None
    ) -> WebhookEndpointRecord:
        # Locked, so that concurrent changes of different fields both take effect.
        known = await scope.tx.webhook_endpoints.lock(scope.number, endpoint_id)
        if known is None:
            raise errors.NotFound(KIND, endpoint_id)
        changed = msgspec.structs.replace(
            known,
            endpoint_url=request.endpoint_url or known.endpoint_url,
            status=request.status or known.status,
            events=names or known.events,
            updated_at=scope.now,
        )
        if not await scope.tx.webhook_endpoints.update(scope.number, changed):
            raise _duplicate(changed.endpoint_url)
        if request.endpoint_url or request.status:
            await scope.tx.webhook_endpoints.record_success(scope.number, endpoint_id)
        return self.unsealed(scope.number, changed)

    @unit
    async def delete(self, scope: Scope, endpoint_id: str) -> None:
        """Delete an endpoint and its pending deliveries. Raises `NotFound`."""
        if not await scope.tx.webhook_endpoints.delete(scope.number, endpoint_id):
            raise errors.NotFound(KIND, endpoint_id)
        await scope.tx.deliveries.drop_pending(scope.number, endpoint_id)

    def unsealed(self, environment: int, endpoint: WebhookEndpointRecord) -> WebhookEndpointRecord:
        """Return a stored endpoint with its secret unsealed. Raises `vault.UnsealError`."""
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
        "duplicate_endpoint", f"A webhook endpoint for '{url}' already exists. Change that one."
    )


def _names(given: list[str] | None) -> tuple[str, ...]:
    """Return event names without duplicates. Raises `InvalidRequest` with an item for each unknown name."""
    if not given:
        raise InvalidRequest(Item("events", "events_required", "events: required, at least one event name."))
    items = [
        Item("events", "unknown_event_type", f"events: there is no event '{name[:_MAX_SHOWN]}'.")
        for name in dict.fromkeys(given)
        if name not in KNOWN_EVENTS
    ]
    if items:
        raise InvalidRequest(*items)
    return tuple(dict.fromkeys(given))
