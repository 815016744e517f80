"""`authfactor users`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from authfactor.cli import context
from authfactor.models import Environment, PageQuery, RecordPage, UserRecord
from authfactor.wire import responses, timestamps
from authfactor.wire.requests import CreateUser, UpdateUser

if TYPE_CHECKING:
    from authfactor.core import Authfactor


@click.group("users", no_args_is_help=True)
def users() -> None:
    """Users of your applications."""


password_option = click.option(
    "--password", is_flag=True, help="Ask for a password (never on the command line)."
)


@users.command("create")
@click.argument("email")
@click.option("--first-name")
@click.option("--last-name")
@click.option("--external-id", help="Your own id of the user.")
@click.option("--email-verified", is_flag=True)
@password_option
@click.pass_context
def create(
    ctx: click.Context,
    email: str,
    first_name: str | None,
    last_name: str | None,
    external_id: str | None,
    email_verified: bool,
    password: bool,
) -> None:
    """Create a user. Example: authfactor users create kim@example.org --email-verified"""
    options = context.chosen(ctx)
    request = CreateUser(
        email=email,
        first_name=first_name,
        last_name=last_name,
        external_id=external_id,
        email_verified=email_verified,
        password=_asked() if password else None,
    )

    async def work(af: Authfactor, environment: Environment) -> UserRecord:
        unit = await af.users.create(environment, request)
        return await context.change(af, environment, unit, "user.create", lambda made: made.id)

    _show(options, context.run(options, work))


@users.command("get")
@click.argument("user_id")
@click.pass_context
def get(ctx: click.Context, user_id: str) -> None:
    """Show a user. Example: authfactor users get user_01…"""
    options = context.chosen(ctx)

    async def work(af: Authfactor, environment: Environment) -> UserRecord:
        return await af.read(af.users.get(environment, user_id))

    _show(options, context.run(options, work))


@users.command("list")
@click.option("--email", help="Only the user with this email.")
@click.option("--limit", type=click.IntRange(min=1, max=100), default=10, show_default=True)
@click.option("--after", help="Id after which the page starts.")
@click.pass_context
def list_users(ctx: click.Context, email: str | None, limit: int, after: str | None) -> None:
    """List users, newest first. Example: authfactor users list --email kim@example.org"""
    options = context.chosen(ctx)

    async def work(af: Authfactor, environment: Environment) -> RecordPage[UserRecord]:
        return await af.read(af.users.page(environment, PageQuery(limit=limit, after=after), email))

    page = context.run(options, work)
    rows = [
        [item.id, item.email, item.external_id or "-", timestamps.format_ms(item.created_at)]
        for item in page.items
    ]

    def people() -> None:
        context.table(["id", "email", "external id", "created"], rows, "No users.")
        if page.after:
            print(f"More: --after {page.after}")

    context.show(options, responses.users(page), people)


@users.command("update")
@click.argument("user_id")
@click.option("--email")
@click.option("--first-name")
@click.option("--last-name")
@click.option("--external-id")
@password_option
@click.pass_context
def update(
    ctx: click.Context,
    user_id: str,
    email: str | None,
    first_name: str | None,
    last_name: str | None,
    external_id: str | None,
    password: bool,
) -> None:
    """Change a user. Example: authfactor users update user_01… --email kim.doe@example.org"""
    options = context.chosen(ctx)
    given = {"email": email, "first_name": first_name, "last_name": last_name, "external_id": external_id}
    request = UpdateUser(
        **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]  # all text
        password=_asked() if password else None,
    )

    async def work(af: Authfactor, environment: Environment) -> UserRecord:
        unit = await af.users.update(environment, user_id, request)
        return await context.change(af, environment, unit, "user.update", user_id)

    _show(options, context.run(options, work))


@users.command("delete")
@click.argument("user_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@context.reason_option
@click.pass_context
def delete(ctx: click.Context, user_id: str, yes: bool, reason: str | None) -> None:
    """Delete a user with all factors. Example: authfactor users delete user_01… --yes"""
    options = context.chosen(ctx)
    if not yes:
        click.confirm(f"Delete {user_id} and everything that belongs to it?", abort=True)

    async def work(af: Authfactor, environment: Environment) -> None:
        unit = af.users.delete(environment, user_id)
        await context.change(af, environment, unit, "user.delete", user_id, reason)

    context.run(options, work)
    context.show(options, {"id": user_id, "deleted": True}, lambda: print(f"Deleted {user_id}."))


@users.command("unlock")
@click.argument("user_id")
@context.reason_option
@click.pass_context
def unlock(ctx: click.Context, user_id: str, reason: str | None) -> None:
    """Lift the lock that wrong codes put on a user. Example: authfactor users unlock user_01…"""
    options = context.chosen(ctx)

    async def work(af: Authfactor, environment: Environment) -> bool:
        unit = af.users.unlock(environment, user_id)
        return await context.change(af, environment, unit, "user.unlock", user_id, reason)

    done = context.run(options, work)
    text = f"Unlocked {user_id}." if done else f"{user_id} was not locked and had no wrong codes."
    context.show(options, {"id": user_id, "unlocked": done}, lambda: print(text))


def _asked() -> str:
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _show(options: context.GlobalOptions, user: UserRecord) -> None:
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
    context.show(options, responses.user(user), lambda: context.pairs(lines))
