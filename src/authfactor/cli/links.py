"""`authfactor links`."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import click

from authfactor.cli import context
from authfactor.models import Environment, LinkPurpose, LinkRecord
from authfactor.wire import links as wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from authfactor.core import Authfactor
    from authfactor.rules.links.links import IssuedLink
    from authfactor.store import Unit


@click.group("links", no_args_is_help=True)
def links() -> None:
    """Create links to hosted pages: enroll a factor, enter a code, manage all factors."""


return_option = click.option(
    "--return-to", help="URL to which the page redirects at the end; one of the environment's page redirects."
)


@links.command("enroll")
@click.argument("user_id")
@return_option
@click.option("--issuer", help="Name of your application. Default: the team name.")
@click.pass_context
def enroll(ctx: click.Context, user_id: str, return_to: str | None, issuer: str | None) -> None:
    """Create a link to a page where the user enrolls a factor. Example: authfactor links enroll user_01…"""
    request = wire.CreateEnrollmentLink(user_id=user_id, return_to=return_to, totp_issuer=issuer)
    _create(ctx, lambda af, environment: af.links.create_enrollment(environment, request))


@links.command("challenge")
@click.argument("user_id")
@return_option
@click.option("--factor", help="Id of the factor, if the user has several.")
@click.option("--session", help="Id of a session of the user, which a right code raises.")
@click.option("--remember-device", is_flag=True, help="Offer to trust the browser, and accept a trusted one.")
@click.pass_context
def challenge(
    ctx: click.Context,
    user_id: str,
    return_to: str | None,
    factor: str | None,
    session: str | None,
    remember_device: bool,
) -> None:
    """Create a link to a page where the user enters a code. Example: authfactor links challenge user_01…"""
    request = wire.CreateChallengeLink(
        user_id=user_id,
        return_to=return_to,
        factor_id=factor,
        session_id=session,
        remember_device=remember_device,
    )
    _create(ctx, lambda af, environment: af.links.create_challenge(environment, request))


@links.command("factors")
@click.argument("user_id")
@return_option
@click.option("--session", help="Id of the session that stays when the user ends all others.")
@click.pass_context
def factors(ctx: click.Context, user_id: str, return_to: str | None, session: str | None) -> None:
    """Create a link to a page where the user manages factors. Example: authfactor links factors user_01…"""
    request = wire.CreateFactorsLink(user_id=user_id, return_to=return_to, session_id=session)
    _create(ctx, lambda af, environment: af.links.create_factors(environment, request))


@links.command("get")
@click.argument("link_id")
@click.option(
    "--kind",
    type=click.Choice(get_args(LinkPurpose)),
    default="enrollment",
    show_default=True,
    help="Kind of the link.",
)
@click.pass_context
def get(ctx: click.Context, link_id: str, kind: LinkPurpose) -> None:
    """Show a link and its status. Example: authfactor links get link_01… --kind challenge"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> tuple[LinkRecord, int]:
        return await af.read(af.links.get(environment, kind, link_id)), af.clock()

    link, now = context.run(options, work)
    _print_link(options, wire.link(link, now))


def _create(ctx: click.Context, prepare: Callable[[Authfactor, Environment], Unit[IssuedLink]]) -> None:
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> tuple[IssuedLink, int]:
        unit = prepare(af, environment)
        made = await context.run_audited(af, environment, unit, "link.create", lambda it: it.link.id)
        return made, af.clock()

    issued, now = context.run(options, work)
    _print_link(options, wire.link(issued.link, now, issued.url))


def _print_link(options: context.GlobalOptions, shape: wire.Link) -> None:
    lines: list[tuple[str, object]] = [
        ("id", shape.id),
        ("user id", shape.user_id),
        ("status", shape.status),
        ("session id", shape.session_id)
        if isinstance(shape, wire.FactorsLink)
        else ("factor id", shape.factor_id),
        ("returns to", shape.return_to),
        ("expires", shape.expires_at),
    ]
    if isinstance(shape, wire.ChallengeLink):
        lines.append(("completed by", shape.method))
    if isinstance(shape.url, str):
        lines.append(("url", shape.url))
    context.print_result(options, shape, lambda: context.print_pairs(lines))
