"""Webhook endpoints: concurrent changes."""

import asyncio
from typing import Literal

import pytest

from authfactor import errors
from authfactor.models import WebhookEndpointRecord
from authfactor.wire.webhooks import CreateWebhookEndpoint, UpdateWebhookEndpoint
from tests.support.installation import Installation

URL = "https://example.org/hook"


@pytest.fixture
async def endpoint(installation: Installation) -> WebhookEndpointRecord:
    request = CreateWebhookEndpoint(endpoint_url=URL, events=["user.created"])
    return await installation.af.run(installation.af.webhooks.create(installation.environment, request))


async def test_concurrent_changes_of_different_fields_all_take_effect(
    installation: Installation, endpoint: WebhookEndpointRecord
) -> None:
    af, environment = installation.af, installation.environment
    for number in range(25):
        status: Literal["enabled", "disabled"] = "disabled" if number % 2 else "enabled"
        changes = (
            UpdateWebhookEndpoint(status=status),
            UpdateWebhookEndpoint(endpoint_url=f"{URL}/{number}"),
            UpdateWebhookEndpoint(events=["user.created"] if number % 2 else ["user.deleted"]),
        )
        await asyncio.gather(
            *(af.run(af.webhooks.update(environment, endpoint.id, each)) for each in changes)
        )
        found = await af.read(lambda tx: tx.webhook_endpoints.by_id(environment.number, endpoint.id))
        assert found is not None
        expected = ("user.created",) if number % 2 else ("user.deleted",)
        assert (found.status, found.endpoint_url, found.events) == (status, f"{URL}/{number}", expected)


async def test_change_of_a_deleted_endpoint_is_not_found(
    installation: Installation, endpoint: WebhookEndpointRecord
) -> None:
    af, environment = installation.af, installation.environment
    await af.run(af.webhooks.delete(environment, endpoint.id))
    change = UpdateWebhookEndpoint(status="disabled")
    with pytest.raises(errors.NotFound):
        await af.run(af.webhooks.update(environment, endpoint.id, change))
