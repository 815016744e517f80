"""The command line: `authfactor`. Each command prepares one unit, runs it, and prints what it gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from authfactor.cli.lazy_group import LazyCommand, LazyGroup
from authfactor.version import __version__

_HERE: Final = "authfactor.cli"
COMMANDS: Final = {
    "serve": LazyCommand(f"{_HERE}.serve", "Serve the API until SIGTERM."),
    "migrate": LazyCommand(
        f"{_HERE}.migrate", "Bring the database's schema to the one that this release needs."
    ),
    "copy": LazyCommand(
        f"{_HERE}.copy_database",
        "Move an installation to another database, of either kind.",
    ),
    "backup": LazyCommand(
        f"{_HERE}.backup", "Write an encrypted backup of the embedded database to a file, while servers run."
    ),
    "restore": LazyCommand(f"{_HERE}.backup", "Put a backup in the place of the embedded database."),
    "doctor": LazyCommand(
        f"{_HERE}.doctor",
        "Look an installation over: files, keys, schema, clock, secrets, webhooks, backups.",
    ),
    "config": LazyCommand(f"{_HERE}.config", "Show and check the settings."),
    "environments": LazyCommand(
        f"{_HERE}.environments", "Tenants: each with its own users, keys and policy."
    ),
    "keys": LazyCommand(f"{_HERE}.environments", "API keys of an environment."),
    "users": LazyCommand(f"{_HERE}.users", "Users of your applications."),
    "factors": LazyCommand(f"{_HERE}.factors", "TOTP factors: enroll, challenge, verify, delete."),
    "links": LazyCommand(f"{_HERE}.links", "Links to pages for users: enrol a factor, give a code."),
    "operators": LazyCommand(f"{_HERE}.operators", "People who may use the console."),
    "audit": LazyCommand(f"{_HERE}.audit", "Who changed what, and why; and whether the list is whole."),
    "vault": LazyCommand(f"{_HERE}.vault", "The keys that seal secrets."),
    "webhooks": LazyCommand(f"{_HERE}.webhooks", "Webhook endpoints and deliveries."),
}


Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def _completion(flag: str, does: str, about: str) -> Decorator:
    """Make an option that does something with a shell's script and ends the program."""

    def call(ctx: click.Context, _option: click.Parameter, shell: str | None) -> None:
        if shell is not None and not ctx.resilient_parsing:
            from authfactor.cli import completion

            getattr(completion, does)(ctx, shell)
            ctx.exit()

    return click.option(
        flag,
        is_flag=False,
        flag_value="",
        metavar="[SHELL]",
        is_eager=True,
        expose_value=False,
        callback=call,
        help=about,
    )


@click.group(cls=LazyGroup, listed=COMMANDS, no_args_is_help=True)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of database and key ring.")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file with settings.")
@click.option("--environment", help="Environment, by name or client id.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
@click.version_option(__version__, message="%(version)s", help="Print the version and exit.")
@_completion(
    "--install-completion",
    "install",
    "Install completion for bash, zsh or fish; the one in use unless named.",
)
@_completion(
    "--show-completion", "show", "Print what makes a shell complete, to look it over or to change it."
)
@click.pass_context
def app(
    ctx: click.Context, data: Path | None, config: Path | None, environment: str | None, as_json: bool
) -> None:
    """Multi-factor authentication that you run yourself, speaking the WorkOS API."""
    from authfactor.cli import context

    ctx.obj = context.GlobalOptions(data, config, environment, as_json)


def main() -> None:
    """Run the command line."""
    app(prog_name="authfactor")
