"""`authfactor sessions`: check how, and how long ago, a session's user proved who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from authfactor.cli import context
from authfactor.models import CheckedSession, Environment
from authfactor.wire import session_checks as wire

if TYPE_CHECKING:
    from authfactor.core import Authfactor


@click.group("sessions", no_args_is_help=True)
def sessions() -> None:
    """Check how, and how long ago, the user of a session proved who they are."""


@sessions.command("check")
@click.argument("session_id")
@click.option("--max-age", type=int, help="Seconds since the last proof, at most; 0 is never satisfied.")
@click.option("--acr", help="The class that is needed, such as urn:authfactor:acr:2 for two steps.")
@click.option("--method", "methods", multiple=True, help="A method that is needed, such as otp. Repeatable.")
@click.pass_context
def check(
    ctx: click.Context, session_id: str, max_age: int | None, acr: str | None, methods: tuple[str, ...]
) -> None:
    """Check a session. Exits with 5 if it does not satisfy what is asked.

    The age is that of a second factor if --acr or --method ask for one, else that of the password.

    Example: authfactor sessions check session_01… --acr urn:authfactor:acr:2 --max-age 300
    """
    options = context.global_options(ctx)
    request = wire.CheckSession(max_age, acr, list(methods))

    async def work(af: Authfactor, environment: Environment) -> CheckedSession:
        return await af.read(af.session_checks.check(environment, session_id, request))

    shape = wire.checked(context.run(options, work))
    lines: list[tuple[str, object]] = [
        ("satisfied", "yes" if shape.satisfied else f"no: {shape.reason}"),
        ("methods", " ".join(shape.amr)),
        ("class", shape.acr),
        ("password", shape.auth_time),
        ("second factor", shape.mfa_at or "-"),
    ]
    context.print_result(options, shape, lambda: context.print_pairs(lines))
    if not shape.satisfied:
        from authfactor.cli import exit_codes

        raise SystemExit(exit_codes.REFUSED)
