"""`authfactor recovery-codes`: create, import, count and delete the recovery codes of a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import click

from authfactor.cli import context
from authfactor.models import Environment, NewRecoveryCodes, RecoveryCodeCount
from authfactor.wire import recovery_codes as wire_codes

if TYPE_CHECKING:
    from authfactor.core import Authfactor


@click.group("recovery-codes", no_args_is_help=True)
def recovery_codes() -> None:
    """Create, import, count and delete the recovery codes of a user."""


@recovery_codes.command("create")
@click.argument("user_id")
@context.yes_option
@context.reason_option
@click.pass_context
def create(ctx: click.Context, user_id: str, yes: bool, reason: str | None) -> None:
    """Create ten recovery codes, which replace the user's old ones. Nothing shows them again.

    Example: authfactor recovery-codes create user_01…
    """
    options = context.global_options(ctx)
    context.confirm(f"Create recovery codes for {user_id}? Earlier ones will stop working.", yes=yes)

    async def work(af: Authfactor, environment: Environment) -> NewRecoveryCodes:
        unit = af.recovery_codes.create(environment, user_id)
        return await context.run_audited(af, environment, unit, "recovery_codes.create", user_id, reason)

    made = context.run(options, work)
    shape = wire_codes.created(user_id, made)
    context.print_result(options, shape, lambda: print("\n".join(made.codes)))


@recovery_codes.command("import")
@click.argument("user_id")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@context.reason_option
@click.pass_context
def import_(ctx: click.Context, user_id: str, file: TextIO, yes: bool, reason: str | None) -> None:
    """Replace a user's recovery codes by unused ones of another system, one a line of FILE.

    A code has 8 to 40 letters and digits. FILE is - for the standard input, so that no code is in a list of
    processes.

    Example: authfactor recovery-codes import user_01… codes.txt --yes
    """
    options = context.global_options(ctx)
    codes = [line.strip() for line in file if line.strip()]
    if not yes:
        click.confirm(f"Import {len(codes)} codes for {user_id}? Earlier ones will stop working.", abort=True)

    async def work(af: Authfactor, environment: Environment) -> RecoveryCodeCount:
        unit = af.recovery_codes.import_set(environment, user_id, codes)
        return await context.run_audited(af, environment, unit, "recovery_codes.import", user_id, reason)

    found = context.run(options, work)
    shape = wire_codes.counted(user_id, found)
    context.print_result(options, shape, lambda: print(f"Imported; {found.remaining} codes are unused."))


@recovery_codes.command("count")
@click.argument("user_id")
@click.pass_context
def count(ctx: click.Context, user_id: str) -> None:
    """Show how many recovery codes a user has. Example: authfactor recovery-codes count user_01…"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> RecoveryCodeCount:
        return await af.read(af.recovery_codes.count(environment, user_id))

    found = context.run(options, work)
    shape = wire_codes.counted(user_id, found)
    lines: list[tuple[str, object]] = [
        ("total", found.total),
        ("unused", found.remaining),
        ("created", shape.created_at or "-"),
    ]
    context.print_result(options, shape, lambda: context.print_pairs(lines))


@recovery_codes.command("delete")
@click.argument("user_id")
@context.yes_option
@context.reason_option
@click.pass_context
def delete(ctx: click.Context, user_id: str, yes: bool, reason: str | None) -> None:
    """Delete a user's recovery codes. Example: authfactor recovery-codes delete user_01… --yes"""
    options = context.global_options(ctx)
    context.confirm(f"Delete the recovery codes of {user_id}?", yes=yes)

    async def work(af: Authfactor, environment: Environment) -> int:
        unit = af.recovery_codes.delete(environment, user_id)
        return await context.run_audited(af, environment, unit, "recovery_codes.delete", user_id, reason)

    deleted = context.run(options, work)
    context.print_result(
        options, {"user_id": user_id, "deleted": deleted}, lambda: print(f"Deleted {deleted} recovery codes.")
    )
