"""`authfactor webhooks`: who is told of events, and what became of the telling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import click

from authfactor.cli import context
from authfactor.models import DeliveryRecord, Environment, PageQuery, RecordPage, WebhookEndpointRecord
from authfactor.wire import timestamps
from authfactor.wire import webhooks as wire

if TYPE_CHECKING:
    from authfactor.core import Authfactor


@click.group("webhooks", no_args_is_help=True)
def webhooks() -> None:
    """Webhook endpoints and deliveries."""


State = Literal["pending", "delivered", "failed"]
limit_option = click.option("--limit", type=click.IntRange(min=1, max=100), default=10, show_default=True)
after_option = click.option("--after", help="Id after which the page starts.")


@webhooks.command("list")
@limit_option
@after_option
@click.pass_context
def list_endpoints(ctx: click.Context, limit: int, after: str | None) -> None:
    """List the webhook endpoints, newest first. Example: authfactor webhooks list"""
    options = context.chosen(ctx)

    async def work(af: Authfactor, environment: Environment) -> RecordPage[WebhookEndpointRecord]:
        return await af.read(af.webhooks.page(environment, PageQuery(limit=limit, after=after)))

    page = context.run(options, work)
    rows = [[item.id, item.endpoint_url, item.status, ", ".join(item.events)] for item in page.items]

    def people() -> None:
        context.table(["id", "url", "status", "events"], rows, "No webhook endpoints.")
        if page.after:
            print(f"More: --after {page.after}")

    context.show(options, wire.endpoints(page), people)


@webhooks.command("deliveries")
@click.option("--endpoint", help="Only those to this endpoint.")
@click.option("--state", type=click.Choice(get_args(State)), help="Only those in this state.")
@limit_option
@after_option
@click.pass_context
def list_deliveries(
    ctx: click.Context, endpoint: str | None, state: State | None, limit: int, after: str | None
) -> None:
    """List deliveries, newest first. Example: authfactor webhooks deliveries --state failed"""
    options = context.chosen(ctx)

    async def work(af: Authfactor, environment: Environment) -> RecordPage[DeliveryRecord]:
        query = PageQuery(limit=limit, after=after)
        return await af.read(af.deliveries.page(environment, query, endpoint, state))

    page = context.run(options, work)
    rows = [
        [item.id, item.event or "-", item.user_id or "-", item.state, str(item.attempts), _last(item)]
        for item in page.items
    ]

    def people() -> None:
        context.table(["id", "event", "user", "state", "attempts", "last answer"], rows, "No deliveries.")
        if page.after:
            print(f"More: --after {page.after}")

    context.show(options, wire.deliveries(page), people)


@webhooks.command("resend")
@click.argument("delivery_id")
@click.pass_context
def resend(ctx: click.Context, delivery_id: str) -> None:
    """Send a delivery again, whatever became of it. Example: authfactor webhooks resend wd_01…"""
    options = context.chosen(ctx)

    async def work(af: Authfactor, environment: Environment) -> DeliveryRecord:
        unit = af.deliveries.resend(environment, delivery_id)
        return await context.change(af, environment, unit, "delivery.resend", delivery_id)

    due = context.run(options, work)
    context.show(
        options,
        wire.delivery(due),
        lambda: print(f"{due.id} is due since {timestamps.format_ms(due.due_at)}."),
    )


def _last(delivery: DeliveryRecord) -> str:
    if delivery.last_error is not None:
        return delivery.last_error
    return "-" if delivery.last_status is None else str(delivery.last_status)
