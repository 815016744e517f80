"""`authfactor users`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from authfactor.cli import session
from authfactor.models import Environment, Page, PageQuery, User
from authfactor.wire import moments, objects
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
    context: click.Context,
    email: str,
    first_name: str | None,
    last_name: str | None,
    external_id: str | None,
    email_verified: bool,
    password: bool,
) -> None:
    """Create a user. Example: authfactor users create kim@example.org --email-verified"""
    options = session.chosen(context)
    request = CreateUser(
        email=email,
        first_name=first_name,
        last_name=last_name,
        external_id=external_id,
        email_verified=email_verified,
        password=_asked() if password else None,
    )

    async def work(af: Authfactor, environment: Environment) -> User:
        unit = await af.users.create(environment, request)
        return await session.change(af, environment, unit, "user.create", lambda made: made.id)

    _show(options, session.run(options, work))


@users.command("get")
@click.argument("user_id")
@click.pass_context
def get(context: click.Context, user_id: str) -> None:
    """Show a user. Example: authfactor users get user_01…"""
    options = session.chosen(context)

    async def work(af: Authfactor, environment: Environment) -> User:
        return await af.read(af.users.get(environment, user_id))

    _show(options, session.run(options, work))


@users.command("list")
@click.option("--email", help="Only the user with this email.")
@click.option("--limit", type=click.IntRange(min=1, max=100), default=10, show_default=True)
@click.option("--after", help="Id after which the page starts.")
@click.pass_context
def list_users(context: click.Context, email: str | None, limit: int, after: str | None) -> None:
    """List users, newest first. Example: authfactor users list --email kim@example.org"""
    options = session.chosen(context)

    async def work(af: Authfactor, environment: Environment) -> Page[User]:
        return await af.read(af.users.page(environment, PageQuery(limit=limit, after=after), email))

    page = session.run(options, work)
    rows = [
        [item.id, item.email, item.external_id or "-", moments.write(item.created_at)] for item in page.items
    ]

    def people() -> None:
        session.table(["id", "email", "external id", "created"], rows, "No users.")
        if page.after:
            print(f"More: --after {page.after}")

    session.show(options, objects.users(page), people)


@users.command("update")
@click.argument("user_id")
@click.option("--email")
@click.option("--first-name")
@click.option("--last-name")
@click.option("--external-id")
@password_option
@click.pass_context
def update(
    context: click.Context,
    user_id: str,
    email: str | None,
    first_name: str | None,
    last_name: str | None,
    external_id: str | None,
    password: bool,
) -> None:
    """Change a user. Example: authfactor users update user_01… --email kim.doe@example.org"""
    options = session.chosen(context)
    given = {"email": email, "first_name": first_name, "last_name": last_name, "external_id": external_id}
    request = UpdateUser(
        **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]  # all text
        password=_asked() if password else None,
    )

    async def work(af: Authfactor, environment: Environment) -> User:
        unit = await af.users.update(environment, user_id, request)
        return await session.change(af, environment, unit, "user.update", user_id)

    _show(options, session.run(options, work))


@users.command("delete")
@click.argument("user_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@session.reason_option
@click.pass_context
def delete(context: click.Context, user_id: str, yes: bool, reason: str | None) -> None:
    """Delete a user with all factors. Example: authfactor users delete user_01… --yes"""
    options = session.chosen(context)
    if not yes:
        click.confirm(f"Delete {user_id} and everything that belongs to it?", abort=True)

    async def work(af: Authfactor, environment: Environment) -> None:
        unit = af.users.delete(environment, user_id)
        await session.change(af, environment, unit, "user.delete", user_id, reason)

    session.run(options, work)
    session.show(options, {"id": user_id, "deleted": True}, lambda: print(f"Deleted {user_id}."))


@users.command("unlock")
@click.argument("user_id")
@session.reason_option
@click.pass_context
def unlock(context: click.Context, user_id: str, reason: str | None) -> None:
    """Lift the lock that wrong codes put on a user. Example: authfactor users unlock user_01…"""
    options = session.chosen(context)

    async def work(af: Authfactor, environment: Environment) -> bool:
        unit = af.users.unlock(environment, user_id)
        return await session.change(af, environment, unit, "user.unlock", user_id, reason)

    done = session.run(options, work)
    text = f"Unlocked {user_id}." if done else f"{user_id} was not locked and had no wrong codes."
    session.show(options, {"id": user_id, "unlocked": done}, lambda: print(text))


def _asked() -> str:
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _show(options: session.Chosen, user: User) -> None:
    lines: list[tuple[str, object]] = [
        ("id", user.id),
        ("email", user.email),
        ("email verified", "yes" if user.email_verified else "no"),
        ("name", " ".join(filter(None, (user.first_name, user.last_name))) or user.name),
        ("external id", user.external_id),
        ("password", "set" if user.password_hash else "none"),
        ("last sign-in", moments.write_optional(user.last_sign_in_at)),
        ("created", moments.write(user.created_at)),
    ]
    session.show(options, objects.user(user), lambda: session.pairs(lines))
