"""`authfactor devices`: list and revoke the trusted devices of a user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from authfactor.cli import context
from authfactor.models import DeviceWithStatus, Environment
from authfactor.wire import trusted_devices as wire_devices

if TYPE_CHECKING:
    from authfactor.core import Authfactor


@click.group("devices", no_args_is_help=True)
def devices() -> None:
    """List and revoke the trusted devices of a user, which sign in without a code."""


@devices.command("list")
@click.argument("user_id")
@click.pass_context
def list_devices(ctx: click.Context, user_id: str) -> None:
    """List the trusted devices of a user, newest first. Example: authfactor devices list user_01…"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> list[DeviceWithStatus]:
        return await af.read(af.trusted_devices.list_of_user(environment, user_id))

    shape = wire_devices.devices(context.run(options, work))
    columns = ["id", "name", "address", "status", "created", "last used", "until"]
    rows = [
        [
            each.id,
            each.name or each.user_agent or "-",
            each.ip_address or "-",
            each.status,
            each.created_at,
            each.last_used_at or "never",
            each.expires_at,
        ]
        for each in shape.data
    ]
    context.print_result(options, shape, lambda: context.print_table(columns, rows, "No trusted devices."))


@devices.command("revoke")
@click.argument("user_id")
@click.argument("device_id", required=False)
@click.option("--all", "everything", is_flag=True, help="Revoke all trusted devices of the user.")
@context.yes_option
@context.reason_option
@click.pass_context
def revoke(
    ctx: click.Context, user_id: str, device_id: str | None, everything: bool, yes: bool, reason: str | None
) -> None:
    """Revoke one trusted device of a user, or all: the next sign-in there asks for a code.

    Example: authfactor devices revoke user_01… --all --yes
    """
    options = context.global_options(ctx)
    if everything is (device_id is not None):
        raise click.UsageError("Give either the id of a device or --all.")
    what = device_id or f"all trusted devices of {user_id}"
    context.confirm(f"Revoke {what}?", yes=yes)

    async def work(af: Authfactor, environment: Environment) -> int:
        action = "trusted_device.revoke"
        if device_id is None:
            unit = af.trusted_devices.revoke_all(environment, user_id)
            return await context.run_audited(af, environment, unit, action, user_id, reason)
        one = af.trusted_devices.revoke(environment, user_id, device_id)
        await context.run_audited(af, environment, one, action, device_id, reason)
        return 1

    revoked = context.run(options, work)
    shape = {"user_id": user_id, "device_id": device_id, "revoked": revoked}
    context.print_result(options, shape, lambda: print(f"Revoked {what}."))
