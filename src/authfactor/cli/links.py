"""`authfactor links`."""

from typing import Annotated, Literal

import typer

from authfactor.cli import session
from authfactor.core import Authfactor
from authfactor.models import Environment, Link
from authfactor.rules.links import Issued
from authfactor.wire import links as wire

links = typer.Typer(no_args_is_help=True, help="Links to pages for users: enrol a factor, give a code.")

ReturnOption = Annotated[
    str | None, typer.Option(help="Where the page leads in the end; one of the environment's page redirects.")
]


@links.command("enroll")
def enroll(
    context: typer.Context,
    user_id: str,
    return_to: ReturnOption = None,
    issuer: Annotated[str | None, typer.Option(help="Name in the app; default: the team name.")] = None,
) -> None:
    """Make a link by which a user enrols in a factor. Example: authfactor links enroll user_01…"""
    options = session.chosen(context)
    request = wire.CreateEnrollmentLink(user_id=user_id, return_to=return_to, totp_issuer=issuer)

    async def work(af: Authfactor, environment: Environment) -> tuple[Issued, int]:
        unit = af.links.create_enrollment(environment, request)
        made = await session.change(af, environment, unit, "link.create", lambda it: it.link.id)
        return made, af.clock()

    _show(options, *session.run(options, work))


@links.command("challenge")
def challenge(
    context: typer.Context,
    user_id: str,
    return_to: ReturnOption = None,
    factor: Annotated[str | None, typer.Option(help="Which factor, if the user has several.")] = None,
) -> None:
    """Make a link by which a user gives a code. Example: authfactor links challenge user_01…"""
    options = session.chosen(context)
    request = wire.CreateChallengeLink(user_id=user_id, return_to=return_to, factor_id=factor)

    async def work(af: Authfactor, environment: Environment) -> tuple[Issued, int]:
        unit = af.links.create_challenge(environment, request)
        made = await session.change(af, environment, unit, "link.create", lambda it: it.link.id)
        return made, af.clock()

    _show(options, *session.run(options, work))


@links.command("get")
def get(
    context: typer.Context,
    link_id: str,
    kind: Annotated[
        Literal["enrollment", "challenge"], typer.Option(help="Which kind of link.")
    ] = "enrollment",
) -> None:
    """Tell what became of a link. Example: authfactor links get link_01… --kind challenge"""
    options = session.chosen(context)

    async def work(af: Authfactor, environment: Environment) -> tuple[Link, int]:
        return await af.read(af.links.get(environment, kind, link_id)), af.clock()

    link, now = session.run(options, work)
    _print(options, wire.link(link, now))


def _show(options: session.Chosen, issued: Issued, now: int) -> None:
    _print(options, wire.link(issued.link, now, issued.url))


def _print(options: session.Chosen, shape: wire.EnrollmentLink | wire.ChallengeLink) -> None:
    lines: list[tuple[str, object]] = [
        ("id", shape.id),
        ("user id", shape.user_id),
        ("status", shape.status),
        ("factor id", shape.factor_id),
        ("returns to", shape.return_to),
        ("expires", shape.expires_at),
    ]
    if isinstance(shape.url, str):
        lines.append(("url", shape.url))
    session.show(options, shape, lambda: session.pairs(lines))
