"""`authfactor operators`: manage who can sign in to the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import click

from authfactor.cli import context, terminal
from authfactor.models import Operator
from authfactor.settings import server_url
from authfactor.wire import timestamps

if TYPE_CHECKING:
    from authfactor.core import Authfactor


@click.group("operators", no_args_is_help=True)
def operators() -> None:
    """Manage the operators, who can sign in to the console."""


Role = Literal["owner", "support", "viewer"]
CONSOLE_ENVIRONMENT = 0


@operators.command("list")
@click.pass_context
def list_operators(ctx: click.Context) -> None:
    """List the operators. Example: authfactor operators list"""
    options = context.global_options(ctx)

    async def work(af: Authfactor) -> tuple[list[Operator], dict[str, int]]:
        passkeys = await af.read(lambda tx: tx.passkeys.count_by_user(CONSOLE_ENVIRONMENT))
        return await af.read(lambda tx: tx.operators.all()), passkeys

    found, passkeys = context.run_installation(options, work)
    rows = [
        [
            item.id,
            item.email,
            item.role,
            item.state,
            str(passkeys.get(item.id, 0)),
            timestamps.format_optional(item.last_sign_in_at) or "-",
        ]
        for item in found
    ]
    columns = ["id", "email", "role", "state", "passkeys", "last sign-in"]
    empty = "No operators. Invite one: authfactor operators invite you@example.org"
    context.print_result(
        options,
        [{**_shape(item), "passkeys": passkeys.get(item.id, 0)} for item in found],
        lambda: context.print_table(columns, rows, empty),
    )


@operators.command("invite")
@click.argument("email")
@click.option(
    "--role",
    type=click.Choice(get_args(Role)),
    default="owner",
    show_default=True,
    help="Role of the operator.",
)
@click.pass_context
def invite(ctx: click.Context, email: str, role: Role) -> None:
    """Add an operator and print a one-time set-up link for them.

    Example: authfactor operators invite kim@example.org --role support
    """
    options = context.global_options(ctx)

    async def work(af: Authfactor) -> tuple[Operator, str]:
        invited = af.operators.invite(email, role)
        return await context.run_audited(af, None, invited, "operator.invite", lambda made: made[0].id)

    operator, token = context.run_installation(options, work, create=True)
    _print_link(options, operator, token)


@operators.command("reset")
@click.argument("operator")
@context.reason_option
@click.pass_context
def reset(ctx: click.Context, operator: str, reason: str | None) -> None:
    """Delete an operator's password, factors, locks and sessions; print a new one-time set-up link.

    Passkeys are among the factors.

    Unlike the console, this also resets the last owner who can sign in.

    Example: authfactor operators reset kim@example.org
    """
    options = context.global_options(ctx)

    async def work(af: Authfactor) -> tuple[Operator, str]:
        found = await af.read(af.operators.find(operator))
        return await context.run_audited(
            af,
            None,
            af.operators.reset(found.id, even_last_owner=True),
            "operator.reset",
            found.id,
            reason,
        )

    changed, token = context.run_installation(options, work)
    _print_link(options, changed, token)


@operators.command("disable")
@click.argument("operator")
@context.reason_option
@click.pass_context
def disable(ctx: click.Context, operator: str, reason: str | None) -> None:
    """Disable an operator and end their sessions. Example: authfactor operators disable kim@example.org"""
    options = context.global_options(ctx)

    async def work(af: Authfactor) -> Operator:
        found = await af.read(af.operators.find(operator))
        return await context.run_audited(
            af, None, af.operators.disable(found.id), "operator.disable", found.id, reason
        )

    changed = context.run_installation(options, work)
    undo = f"authfactor operators reset {changed.email}"
    text = f"{changed.email} can no longer sign in. To enable them again, run: {undo}"
    context.print_result(options, _shape(changed), lambda: terminal.show(text))


def _print_link(options: context.GlobalOptions, operator: Operator, token: str) -> None:
    base = server_url.on_this_machine(server_url.resolved(context.read_settings(options)).base_url)
    link = f"{base}/console/set-up/{token}"

    def print_text() -> None:
        terminal.show(f"Set-up link for {operator.email} ({operator.role}), valid once, for 24 hours:")
        print(f"\n  {link}\n")

    context.print_result(options, {**_shape(operator), "link": link}, print_text)


def _shape(operator: Operator) -> dict[str, str | None]:
    return {
        "object": "operator",
        "id": operator.id,
        "email": operator.email,
        "role": operator.role,
        "state": operator.state,
        "last_sign_in_at": timestamps.format_optional(operator.last_sign_in_at),
        "created_at": timestamps.format_ms(operator.created_at),
    }
