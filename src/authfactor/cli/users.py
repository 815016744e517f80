"""`authfactor users`."""

from typing import Annotated

import typer

from authfactor.cli import session
from authfactor.core import Authfactor
from authfactor.models import Environment, Page, PageQuery, User
from authfactor.wire import moments, objects
from authfactor.wire.requests import CreateUser, UpdateUser

users = typer.Typer(no_args_is_help=True, help="Users of your applications.")

PasswordOption = Annotated[
    bool, typer.Option("--password", help="Ask for a password (never on the command line).")
]


@users.command("create")
def create(
    context: typer.Context,
    email: str,
    first_name: Annotated[str | None, typer.Option()] = None,
    last_name: Annotated[str | None, typer.Option()] = None,
    external_id: Annotated[str | None, typer.Option(help="Your own id of the user.")] = None,
    email_verified: Annotated[bool, typer.Option("--email-verified")] = False,
    password: PasswordOption = False,
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
def get(context: typer.Context, user_id: str) -> None:
    """Show a user. Example: authfactor users get user_01…"""
    options = session.chosen(context)

    async def work(af: Authfactor, environment: Environment) -> User:
        return await af.read(af.users.get(environment, user_id))

    _show(options, session.run(options, work))


@users.command("list")
def list_users(
    context: typer.Context,
    email: Annotated[str | None, typer.Option(help="Only the user with this email.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 10,
    after: Annotated[str | None, typer.Option(help="Id after which the page starts.")] = None,
) -> None:
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
def update(
    context: typer.Context,
    user_id: str,
    email: Annotated[str | None, typer.Option()] = None,
    first_name: Annotated[str | None, typer.Option()] = None,
    last_name: Annotated[str | None, typer.Option()] = None,
    external_id: Annotated[str | None, typer.Option()] = None,
    password: PasswordOption = False,
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
def delete(
    context: typer.Context,
    user_id: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    reason: session.Reason = None,
) -> None:
    """Delete a user with all factors. Example: authfactor users delete user_01… --yes"""
    options = session.chosen(context)
    if not yes:
        typer.confirm(f"Delete {user_id} and everything that belongs to it?", abort=True)

    async def work(af: Authfactor, environment: Environment) -> None:
        unit = af.users.delete(environment, user_id)
        await session.change(af, environment, unit, "user.delete", user_id, reason)

    session.run(options, work)
    session.show(options, {"id": user_id, "deleted": True}, lambda: print(f"Deleted {user_id}."))


@users.command("unlock")
def unlock(context: typer.Context, user_id: str, reason: session.Reason = None) -> None:
    """Lift the lock that wrong codes put on a user. Example: authfactor users unlock user_01…"""
    options = session.chosen(context)

    async def work(af: Authfactor, environment: Environment) -> bool:
        unit = af.users.unlock(environment, user_id)
        return await session.change(af, environment, unit, "user.unlock", user_id, reason)

    done = session.run(options, work)
    text = f"Unlocked {user_id}." if done else f"{user_id} was not locked and had no wrong codes."
    session.show(options, {"id": user_id, "unlocked": done}, lambda: print(text))


def _asked() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


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
