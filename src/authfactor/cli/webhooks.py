"""`authfactor webhooks`: list and ping endpoints; list and resend deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import click

from authfactor.cli import context, terminal
from authfactor.models import DeliveryRecord, Environment, PageQuery, RecordPage, WebhookEndpointRecord
from authfactor.wire import timestamps
from authfactor.wire import webhooks as wire

if TYPE_CHECKING:
    from authfactor.core import Authfactor


@click.group("webhooks", no_args_is_help=True)
def webhooks() -> None:
    """List and ping webhook endpoints; list and resend deliveries."""


State = Literal["pending", "delivered", "failed"]
limit_option = click.option("--limit", type=click.IntRange(min=1, max=100), default=10, show_default=True)
after_option = click.option("--after", help="Start the page after this id.")


@webhooks.command("list")
@limit_option
@after_option
@click.pass_context
def list_endpoints(ctx: click.Context, limit: int, after: str | None) -> None:
    """List the webhook endpoints, newest first. Example: authfactor webhooks list"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> RecordPage[WebhookEndpointRecord]:
        return await af.read(af.webhooks.page(environment, PageQuery(limit=limit, after=after)))

    page = context.run(options, work)
    rows = [[item.id, item.endpoint_url, _status(item), ", ".join(item.events)] for item in page.items]
    columns, empty = ["id", "url", "status", "events"], "No webhook endpoints."
    context.print_page(options, wire.endpoints_health(page), columns, rows, empty, page.after)


@webhooks.command("ping")
@click.argument("endpoint_id")
@click.pass_context
def ping(ctx: click.Context, endpoint_id: str) -> None:
    """Send the test event authfactor.ping to an endpoint. Example: authfactor webhooks ping we_01…"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> DeliveryRecord:
        unit = af.deliveries.ping(environment, endpoint_id)
        return await context.run_audited(af, environment, unit, "webhook_endpoint.ping", endpoint_id)

    queued = context.run(options, work)

    def print_text() -> None:
        print(f"{queued.id} is queued; a running server sends it within a second. Its outcome:")
        print(f"  authfactor webhooks deliveries --endpoint {endpoint_id} --limit 1")

    context.print_result(options, wire.delivery(queued), print_text)


@webhooks.command("deliveries")
@click.option("--endpoint", help="Show only deliveries to this endpoint.")
@click.option("--state", type=click.Choice(get_args(State)), help="Show only deliveries in this state.")
@limit_option
@after_option
@click.pass_context
def list_deliveries(
    ctx: click.Context, endpoint: str | None, state: State | None, limit: int, after: str | None
) -> None:
    """List deliveries, newest first. Example: authfactor webhooks deliveries --state failed"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> RecordPage[DeliveryRecord]:
        query = PageQuery(limit=limit, after=after)
        return await af.read(af.deliveries.page(environment, query, endpoint, state))

    page = context.run(options, work)
    rows = [
        [
            item.id,
            item.event or "-",
            item.user_id or "-",
            item.state,
            str(item.attempts),
            _last_response(item),
        ]
        for item in page.items
    ]
    columns = ["id", "event", "user", "state", "attempts", "last response"]
    context.print_page(options, wire.deliveries(page), columns, rows, "No deliveries.", page.after)


@webhooks.command("resend")
@click.argument("delivery_id")
@click.pass_context
def resend(ctx: click.Context, delivery_id: str) -> None:
    """Send a delivery again, whatever its state. Example: authfactor webhooks resend wd_01…"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> DeliveryRecord:
        unit = af.deliveries.resend(environment, delivery_id)
        return await context.run_audited(af, environment, unit, "delivery.resend", delivery_id)

    due = context.run(options, work)
    context.print_result(
        options,
        wire.delivery(due),
        lambda: terminal.show(
            f"{due.id} will be sent again; it is due since {timestamps.format_ms(due.due_at)}."
        ),
    )


def _status(endpoint: WebhookEndpointRecord) -> str:
    """Describe whether an endpoint receives events, and its latest failure."""
    status: str = endpoint.status
    if status == "enabled" and endpoint.paused_until is not None:
        status = f"paused until {timestamps.format_ms(endpoint.paused_until)}"
    return f"{status}\nlast error: {endpoint.last_error}" if endpoint.last_error else status


def _last_response(delivery: DeliveryRecord) -> str:
    if delivery.last_error is not None:
        return delivery.last_error
    return "-" if delivery.last_status is None else str(delivery.last_status)
