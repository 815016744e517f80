"""`authfactor users`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from authfactor import errors
from authfactor.cli import context
from authfactor.models import Environment, PageQuery, RecordPage, UserRecord
from authfactor.models.mfa_policies import UserPolicyInForce
from authfactor.wire import mailed, responses, timestamps
from authfactor.wire.requests import CreateUser, UpdateUser

if TYPE_CHECKING:
    from authfactor.core import Authfactor
    from authfactor.rules.email_flows.password_resets import IssuedReset

_DAY = 24 * 3600 * 1000
_user = click.argument("user", metavar="USER_ID_OR_EMAIL")


@click.group("users", no_args_is_help=True)
def users() -> None:
    """Manage the users of your applications."""


_password_prompt = click.option("--password", is_flag=True, help="Prompt for a password.")
_password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)


def password_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for a password, neither of which shows it in a process list."""
    return _password_prompt(_password_stdin(command))


@users.command("create")
@click.argument("email")
@click.option("--first-name")
@click.option("--last-name")
@click.option("--external-id", help="Your own id for the user.")
@click.option("--email-verified", is_flag=True)
@password_options
@click.pass_context
def create(
    ctx: click.Context,
    email: str,
    first_name: str | None,
    last_name: str | None,
    external_id: str | None,
    email_verified: bool,
    password: bool,
    password_stdin: bool,
) -> None:
    """Create a user. Example: authfactor users create kim@example.org --email-verified"""
    options = context.global_options(ctx)
    request = CreateUser(
        email=email,
        first_name=first_name,
        last_name=last_name,
        external_id=external_id,
        email_verified=email_verified,
        password=_read_password(prompt=password, stdin=password_stdin),
    )

    async def work(af: Authfactor, environment: Environment) -> UserRecord:
        unit = await af.users.prepare_create(environment, request)
        return await context.run_audited(af, environment, unit, "user.create", lambda made: made.id)

    _print_user(options, context.run(options, work, create=True))


@users.command("get")
@click.argument("user_id")
@click.pass_context
def get(ctx: click.Context, user_id: str) -> None:
    """Show a user. Example: authfactor users get user_01…"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> UserRecord:
        return await af.read(af.users.get(environment, user_id))

    _print_user(options, context.run(options, work))


@users.command("list")
@click.option("--email", help="Show only the user with this email.")
@click.option("--limit", type=click.IntRange(min=1, max=100), default=10, show_default=True)
@click.option("--after", help="Start the page after this id.")
@click.pass_context
def list_users(ctx: click.Context, email: str | None, limit: int, after: str | None) -> None:
    """List users, newest first. Example: authfactor users list --email kim@example.org"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> RecordPage[UserRecord]:
        return await af.read(af.users.page(environment, PageQuery(limit=limit, after=after), email))

    page = context.run(options, work)
    rows = [
        [item.id, item.email, item.external_id or "-", timestamps.format_ms(item.created_at)]
        for item in page.items
    ]
    columns = ["id", "email", "external id", "created"]
    context.print_page(options, responses.users(page), columns, rows, "No users.", page.after)


@users.command("update")
@click.argument("user_id")
@click.option("--email")
@click.option("--first-name")
@click.option("--last-name")
@click.option("--external-id")
@password_options
@click.pass_context
def update(
    ctx: click.Context,
    user_id: str,
    email: str | None,
    first_name: str | None,
    last_name: str | None,
    external_id: str | None,
    password: bool,
    password_stdin: bool,
) -> None:
    """Update a user. Example: authfactor users update user_01… --email kim.doe@example.org"""
    options = context.global_options(ctx)
    fields = {"email": email, "first_name": first_name, "last_name": last_name, "external_id": external_id}
    request = UpdateUser(
        **{name: value for name, value in fields.items() if value is not None},  # type: ignore[arg-type]  # all are strings
        password=_read_password(prompt=password, stdin=password_stdin),
    )

    async def work(af: Authfactor, environment: Environment) -> UserRecord:
        unit = await af.users.prepare_update(environment, user_id, request)
        return await context.run_audited(af, environment, unit, "user.update", user_id)

    _print_user(options, context.run(options, work))


@users.command("delete")
@click.argument("user_id")
@context.yes_option
@context.reason_option
@click.pass_context
def delete(ctx: click.Context, user_id: str, yes: bool, reason: str | None) -> None:
    """Delete a user and all their factors. Example: authfactor users delete user_01… --yes"""
    options = context.global_options(ctx)
    context.confirm(f"Delete {user_id} with all factors and sessions?", yes=yes)

    async def work(af: Authfactor, environment: Environment) -> None:
        unit = af.users.delete(environment, user_id)
        await context.run_audited(af, environment, unit, "user.delete", user_id, reason)

    context.run(options, work)
    context.print_result(options, {"id": user_id, "deleted": True}, lambda: print(f"Deleted {user_id}."))


@users.command("unlock")
@click.argument("user_id")
@context.reason_option
@click.pass_context
def unlock(ctx: click.Context, user_id: str, reason: str | None) -> None:
    """Remove the lock that too many wrong codes put on a user. Example: authfactor users unlock user_01…"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> bool:
        unit = af.users.unlock(environment, user_id)
        return await context.run_audited(af, environment, unit, "user.unlock", user_id, reason)

    done = context.run(options, work)
    text = f"Unlocked {user_id}." if done else f"{user_id} was not locked and had no failed attempts."
    context.print_result(options, {"id": user_id, "unlocked": done}, lambda: print(text))


@users.command("verify-email")
@_user
@context.yes_option
@context.reason_option
@click.pass_context
def verify_email(ctx: click.Context, user: str, yes: bool, reason: str | None) -> None:
    """Mark a user's email as verified without a code, for example after an import.

    Check first that the user reads it: a person who signs in with it counts as its owner then.

    Example: authfactor users verify-email kim@example.org --yes
    """
    options = context.global_options(ctx)
    context.confirm(f"Mark the email of {user} as verified, although no code has shown it?", yes=yes)

    async def work(af: Authfactor, environment: Environment) -> UserRecord:
        user_id = await _find(af, environment, user)
        unit = await af.users.prepare_update(environment, user_id, UpdateUser(email_verified=True))
        return await context.run_audited(af, environment, unit, "user.verify_email", user_id, reason)

    _print_user(options, context.run(options, work))


@users.command("reset-password")
@_user
@context.yes_option
@context.reason_option
@click.pass_context
def reset_password(ctx: click.Context, user: str, yes: bool, reason: str | None) -> None:
    """Make a link to a new password, mail it if the environment sends mail, and print it.

    Any person who has the link can set the password, which ends the user's sessions. It lasts 15 minutes.

    Example: authfactor users reset-password kim@example.org --yes
    """
    options = context.global_options(ctx)
    context.confirm(f"Make a link whose holder can set the password of {user}?", yes=yes)

    async def work(af: Authfactor, environment: Environment) -> IssuedReset:
        found = await af.read(af.users.get(environment, await _find(af, environment, user)))
        unit = af.email_flows.password_resets.create(environment, found.email)
        return await context.run_audited(
            af, environment, unit, "password_reset.create", lambda made: made.record.id, reason
        )

    made = context.run(options, work)
    lines: list[tuple[str, object]] = [
        ("id", made.record.id),
        ("user", made.record.user_id),
        ("link", made.url),
        ("expires", timestamps.format_ms(made.record.expires_at)),
    ]
    context.print_result(options, mailed.password_reset(*made), lambda: context.print_pairs(lines))


@users.command("policy")
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
def user_policy(
    ctx: click.Context, user: str, decision: str | None, days: int | None, reason: str | None
) -> None:
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

    _print_policy(options, context.run(options, work))


@users.command("grace")
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

    _print_policy(options, context.run(options, work))


def _read_password(*, prompt: bool, stdin: bool) -> str | None:
    if stdin:
        return context.secret_argument("-")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True)) if prompt else None


def _print_user(options: context.GlobalOptions, user: UserRecord) -> None:
    lines: list[tuple[str, object]] = [
        ("id", user.id),
        ("email", user.email),
        ("email verified", "yes" if user.email_verified else "no"),
        ("name", " ".join(filter(None, (user.first_name, user.last_name))) or user.name),
        ("external id", user.external_id),
        ("password", "set" if user.password_hash else "none"),
        ("last sign-in", timestamps.format_optional(user.last_sign_in_at)),
        ("created", timestamps.format_ms(user.created_at)),
    ]
    context.print_result(options, responses.user(user), lambda: context.print_pairs(lines))


async def _find(af: Authfactor, environment: Environment, user: str) -> str:
    """Return the id of a user named by id or email. Raises `NotFound`."""
    if "@" not in user:
        return user
    found = await af.read(lambda tx: tx.users.by_email(environment.number, user))
    if found is None:
        raise errors.NotFound("User", user)
    return found.id


def _print_policy(options: context.GlobalOptions, found: UserPolicyInForce) -> None:
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
