"""`authfactor operators`: who may use the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import click

from authfactor.cli import context
from authfactor.models import Operator
from authfactor.wire import timestamps

if TYPE_CHECKING:
    from authfactor.core import Authfactor


@click.group("operators", no_args_is_help=True)
def operators() -> None:
    """People who may use the console."""


Role = Literal["owner", "support", "viewer"]


@operators.command("list")
@click.pass_context
def list_operators(ctx: click.Context) -> None:
    """List the operators. Example: authfactor operators list"""
    options = context.chosen(ctx)

    async def work(af: Authfactor) -> list[Operator]:
        return await af.read(lambda tx: tx.operators.all())

    found = context.run_installation(options, work)
    rows = [
        [item.id, item.email, item.role, item.state, timestamps.format_optional(item.last_sign_in_at) or "-"]
        for item in found
    ]
    columns = ["id", "email", "role", "state", "last sign-in"]
    empty = "No operators. Invite one: authfactor operators invite you@example.org"
    context.show(options, [_shape(item) for item in found], lambda: context.table(columns, rows, empty))


@operators.command("invite")
@click.argument("email")
@click.option(
    "--role",
    type=click.Choice(get_args(Role)),
    default="owner",
    show_default=True,
    help="What the operator may do.",
)
@click.pass_context
def invite(ctx: click.Context, email: str, role: Role) -> None:
    """Add an operator and print the one-time link that sets them up.

    Example: authfactor operators invite kim@example.org --role support
    """
    options = context.chosen(ctx)

    async def work(af: Authfactor) -> tuple[Operator, str]:
        invited = af.operators.invite(email, role)
        return await context.change(af, None, invited, "operator.invite", lambda made: made[0].id)

    operator, token = context.run_installation(options, work)
    _show_link(options, operator, token)


@operators.command("reset")
@click.argument("operator")
@context.reason_option
@click.pass_context
def reset(ctx: click.Context, operator: str, reason: str | None) -> None:
    """Take password, factor, locks and sessions from an operator; print a new one-time link.

    Example: authfactor operators reset kim@example.org
    """
    options = context.chosen(ctx)

    async def work(af: Authfactor) -> tuple[Operator, str]:
        found = await af.read(af.operators.find(operator))
        return await context.change(
            af, None, af.operators.reset(found.id), "operator.reset", found.id, reason
        )

    changed, token = context.run_installation(options, work)
    _show_link(options, changed, token)


@operators.command("disable")
@click.argument("operator")
@context.reason_option
@click.pass_context
def disable(ctx: click.Context, operator: str, reason: str | None) -> None:
    """Send an operator away; sessions end at once. Example: authfactor operators disable kim@example.org"""
    options = context.chosen(ctx)

    async def work(af: Authfactor) -> Operator:
        found = await af.read(af.operators.find(operator))
        return await context.change(
            af, None, af.operators.disable(found.id), "operator.disable", found.id, reason
        )

    changed = context.run_installation(options, work)
    back = f"authfactor operators reset {changed.email}"
    text = f"{changed.email} can no longer sign in. Let them back in with: {back}"
    context.show(options, _shape(changed), lambda: print(text))


def _show_link(options: context.GlobalOptions, operator: Operator, token: str) -> None:
    link = f"{context.read_settings(options).base_url.rstrip('/')}/console/set-up/{token}"

    def people() -> None:
        print(f"{operator.email} ({operator.role}) sets up password and code here, once, within 24 hours:")
        print(f"\n  {link}\n")

    context.show(options, {**_shape(operator), "link": link}, people)


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
