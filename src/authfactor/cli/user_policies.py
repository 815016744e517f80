"""`authfactor users policy` and `authfactor users grace`: what an operator decides about one user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from authfactor import errors
from authfactor.cli import context
from authfactor.models import Environment, UserPolicyInForce
from authfactor.wire import timestamps

if TYPE_CHECKING:
    from authfactor.core import Authfactor

_DAY = 24 * 3600 * 1000
_user = click.argument("user", metavar="USER_ID_OR_EMAIL")


@click.command("policy")
@_user
@click.option(
    "--set",
    "decision",
    type=click.Choice(["default", "required", "exempt"]),
    help="The decision to store. Without it, the policy in force is shown.",
)
@click.option("--days", type=click.IntRange(min=1), help="Days until it ends; at most 90 for exempt.")
@context.reason_option
@click.pass_context
def policy(ctx: click.Context, user: str, decision: str | None, days: int | None, reason: str | None) -> None:
    """Show the policy in force for a user and why, or exempt the user, or require a factor.

    Example: authfactor users policy kim@example.org --set exempt --days 7 --reason "phone in repair"
    """
    options = context.global_options(ctx)
    if decision is None and (days is not None or reason is not None):
        context.fail(errors.InvalidRequest(message="--days and --reason go with --set."))

    async def work(af: Authfactor, environment: Environment) -> UserPolicyInForce:
        from authfactor.wire.mfa_policies import SetUserMfaPolicy

        user_id = await _find(af, environment, user)
        if decision is None:
            return await af.read(af.mfa_policies.of_user(environment, user_id))
        until = None if days is None else timestamps.format_ms(af.clock() + days * _DAY)
        request = SetUserMfaPolicy(policy=decision, until=until, reason=reason)  # type: ignore[arg-type]  # a choice
        unit = af.mfa_policies.set_for_user(environment, user_id, request)
        return await context.run_audited(af, environment, unit, "user.set_mfa_policy", user_id, reason)

    _print(options, context.run(options, work))


@click.command("grace")
@_user
@click.option("--days", type=click.IntRange(1, 90), required=True, help="Days from now, at most 90.")
@click.option("--reason", required=True, help="Reason to record in the audit log.")
@click.pass_context
def grace(ctx: click.Context, user: str, days: int, reason: str) -> None:
    """Give a user a new deadline for enrolling; until then, the password alone signs in.

    Check first who asks: a thief of the password would ask for the same.

    Example: authfactor users grace kim@example.org --days 7 --reason "new phone on its way"
    """
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> UserPolicyInForce:
        user_id = await _find(af, environment, user)
        unit = af.mfa_policies.grant_grace(environment, user_id, days=days, reason=reason)
        return await context.run_audited(af, environment, unit, "user.grant_grace", user_id, reason)

    _print(options, context.run(options, work))


async def _find(af: Authfactor, environment: Environment, user: str) -> str:
    """Return the id of a user named by id or email. Raises `NotFound`."""
    if "@" not in user:
        return user
    found = await af.read(lambda tx: tx.users.by_email(environment.number, user))
    if found is None:
        raise errors.NotFound("User", user)
    return found.id


def _print(options: context.GlobalOptions, found: UserPolicyInForce) -> None:
    from authfactor.wire import mfa_policies

    shape = mfa_policies.user_policy(found)
    source = shape.source if shape.source != "rule" else f"rule {shape.rule}"
    lines: list[tuple[str, object]] = [
        ("user", shape.user_id),
        ("decision", shape.policy),
        ("until", shape.until),
        ("reason", shape.reason),
        ("in force", f"{shape.in_force} (by {source})"),
        ("methods", None if shape.methods is None else ", ".join(shape.methods)),
        ("grace", shape.grace if shape.grace_until is None else f"{shape.grace}, {shape.grace_until}"),
        ("next sign-in", shape.outcome.replace("_", " ")),
    ]
    context.print_result(options, shape, lambda: context.print_pairs(lines))
