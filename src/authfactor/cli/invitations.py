"""`authfactor invitations`: invite people to sign up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from authfactor.cli import context
from authfactor.models import Environment, PageQuery, RecordPage
from authfactor.wire import invitations as wire
from authfactor.wire import timestamps
from authfactor.wire.invitations import IssuedInvitation

if TYPE_CHECKING:
    from authfactor.core import Authfactor


@click.group("invitations", no_args_is_help=True)
def invitations() -> None:
    """List, create, resend and revoke invitations, which open sign-up."""


_id = click.argument("invitation_id")


@invitations.command("list")
@click.option("--email", help="Show only the invitations of this email.")
@click.option("--limit", type=click.IntRange(min=1, max=100), default=10, show_default=True)
@click.option("--after", help="Start the page after this id.")
@click.pass_context
def list_invitations(ctx: click.Context, email: str | None, limit: int, after: str | None) -> None:
    """List invitations, newest first. With --json also their tokens.

    Example: authfactor invitations list --email kim@example.org
    """
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> RecordPage[IssuedInvitation]:
        query = PageQuery(limit=limit, after=after)
        return await af.read(af.email_flows.invitations.page(environment, query, email))

    page = context.run(options, work)
    rows = [
        [
            each.record.id,
            each.record.email,
            each.record.state(each.now),
            timestamps.format_ms(each.record.expires_at),
        ]
        for each in page.items
    ]
    columns = ["id", "email", "state", "expires"]
    context.print_page(options, wire.invitations(page), columns, rows, "No invitations.", page.after)


@invitations.command("create")
@click.argument("email")
@click.option("--days", type=click.IntRange(1, wire.MAX_DAYS), default=7, show_default=True)
@click.option("--inviter", help="Id of the user who invites.")
@click.option("--locale", help="Language of the mail, such as de.")
@context.reason_option
@click.pass_context
def create(
    ctx: click.Context, email: str, days: int, inviter: str | None, locale: str | None, reason: str | None
) -> None:
    """Invite an email, mail the link if the environment sends mail, and print it.

    Any person who has the link may sign up with it, once.

    Example: authfactor invitations create kim@example.org --days 3
    """
    options = context.global_options(ctx)
    request = wire.CreateInvitation(email=email, expires_in_days=days, inviter_user_id=inviter, locale=locale)

    async def work(af: Authfactor, environment: Environment) -> IssuedInvitation:
        unit = af.email_flows.invitations.create(environment, request)
        return await context.run_audited(
            af, environment, unit, "invitation.create", lambda made: made.record.id, reason
        )

    _print(options, context.run(options, work))


@invitations.command("resend")
@_id
@click.option("--locale", help="Language of the mail, such as de. Default: that of the first mail.")
@context.reason_option
@click.pass_context
def resend(ctx: click.Context, invitation_id: str, locale: str | None, reason: str | None) -> None:
    """Mail the link of an open invitation again. Example: authfactor invitations resend invitation_01…"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> IssuedInvitation:
        unit = af.email_flows.invitations.resend(environment, invitation_id, locale)
        return await context.run_audited(af, environment, unit, "invitation.resend", invitation_id, reason)

    _print(options, context.run(options, work))


@invitations.command("revoke")
@_id
@context.yes_option
@context.reason_option
@click.pass_context
def revoke(ctx: click.Context, invitation_id: str, yes: bool, reason: str | None) -> None:
    """Revoke an open invitation; its link opens nothing then.

    Example: authfactor invitations revoke invitation_01… --yes
    """
    options = context.global_options(ctx)
    context.confirm(f"Revoke {invitation_id}? Its link cannot be made to work again.", yes=yes)

    async def work(af: Authfactor, environment: Environment) -> IssuedInvitation:
        unit = af.email_flows.invitations.revoke(environment, invitation_id)
        return await context.run_audited(af, environment, unit, "invitation.revoke", invitation_id, reason)

    _print(options, context.run(options, work))


def _print(options: context.GlobalOptions, issued: IssuedInvitation) -> None:
    record, state = issued.record, issued.record.state(issued.now)
    lines: list[tuple[str, object]] = [
        ("id", record.id),
        ("email", record.email),
        ("state", state),
        ("expires", timestamps.format_ms(record.expires_at)),
        ("link", issued.url if state == "pending" else None),
    ]
    context.print_result(options, wire.invitation(issued), lambda: context.print_pairs(lines))
