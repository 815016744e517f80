"""The command line: `authfactor`. Each command prepares one unit, runs it, and prints what it gives."""

from pathlib import Path
from typing import Annotated

import typer

from authfactor import __version__
from authfactor.cli import (
    auditing,
    backing,
    configuring,
    copying,
    doctoring,
    environments,
    factors,
    links,
    migrating,
    operators,
    serving,
    session,
    users,
    vault,
    webhooks,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Multi-factor authentication that you run yourself, speaking the WorkOS API.",
)
app.command("serve")(serving.serve)
app.command("migrate")(migrating.migrate)
app.command("copy")(copying.copy)
app.command("backup")(backing.backup)
app.command("restore")(backing.restore)
app.command("doctor")(doctoring.doctor)
app.add_typer(configuring.config, name="config")
app.add_typer(environments.environments, name="environments")
app.add_typer(environments.keys, name="keys")
app.add_typer(users.users, name="users")
app.add_typer(factors.factors, name="factors")
app.add_typer(links.links, name="links")
app.add_typer(operators.operators, name="operators")
app.add_typer(auditing.audit, name="audit")
app.add_typer(vault.vault, name="vault")
app.add_typer(webhooks.webhooks, name="webhooks")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    data: Annotated[Path | None, typer.Option(help="Folder of database and key ring.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.")] = None,
    environment: Annotated[str | None, typer.Option(help="Environment, by name or client id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's JSON.")] = False,
    _version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Take the options that come before a command."""
    context.obj = session.Chosen(data, config, environment, as_json)


def main() -> None:
    """Run the command line."""
    app()
