"""The command line, `authfactor`. A command runs a unit of work and prints its result."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from authfactor.cli.lazy_group import LazyCommand, LazyGroup

_HERE: Final = "authfactor.cli"
COMMANDS: Final = {
    "serve": LazyCommand(f"{_HERE}.serve", "Serve the API until SIGTERM."),
    "ready": LazyCommand(f"{_HERE}.ready", "Exit with 0 if the server is ready, with 7 if it is not."),
    "migrate": LazyCommand(
        f"{_HERE}.migrate", "Upgrade the database schema to the version that this release needs."
    ),
    "copy": LazyCommand(
        f"{_HERE}.copy_database",
        "Copy an installation to another database, SQLite or PostgreSQL.",
    ),
    "backup": LazyCommand(
        f"{_HERE}.backup", "Write an encrypted backup of the SQLite database to a file, while servers run."
    ),
    "restore": LazyCommand(f"{_HERE}.backup", "Replace the SQLite database with a backup."),
    "doctor": LazyCommand(
        f"{_HERE}.doctor",
        "Check an installation: files, keys, schema, clock, secrets, webhooks, backups.",
    ),
    "config": LazyCommand(f"{_HERE}.config", "Show and check the settings."),
    "environments": LazyCommand(
        f"{_HERE}.environments", "Manage environments: tenants with their own users, keys and policy."
    ),
    "keys": LazyCommand(f"{_HERE}.environments", "Manage the API keys and signing keys of an environment."),
    "users": LazyCommand(f"{_HERE}.users", "Manage the users of your applications."),
    "invitations": LazyCommand(
        f"{_HERE}.invitations", "List, create, resend and revoke invitations, which open sign-up."
    ),
    "factors": LazyCommand(
        f"{_HERE}.factors", "Enroll, list, name, challenge, verify, resync and delete factors."
    ),
    "import": LazyCommand(f"{_HERE}.factor_import", "Import TOTP factors from a file of another system."),
    "export": LazyCommand(
        f"{_HERE}.factor_export", "Write the secrets of active TOTP factors into a file, for another system."
    ),
    "recovery-codes": LazyCommand(
        f"{_HERE}.recovery_codes", "Create, import, count and delete the recovery codes of a user."
    ),
    "webauthn": LazyCommand(f"{_HERE}.webauthn", "Load and show what is known of models of authenticators."),
    "sessions": LazyCommand(
        f"{_HERE}.sessions", "Check how, and how long ago, the user of a session proved who they are."
    ),
    "devices": LazyCommand(
        f"{_HERE}.devices", "List and revoke the trusted devices of a user, which sign in without a code."
    ),
    "links": LazyCommand(
        f"{_HERE}.links", "Create links to hosted pages: enroll a factor, enter a code, manage all factors."
    ),
    "redirect-uris": LazyCommand(
        f"{_HERE}.redirect_uris", "Manage the URIs to which sign-ins on the hosted pages may redirect."
    ),
    "cors-origins": LazyCommand(
        f"{_HERE}.redirect_uris",
        "Manage the origins whose pages may sign in by themselves.",
    ),
    "policy": LazyCommand(f"{_HERE}.mfa_policies", "Show, set and preview when sign-ins require a factor."),
    "reports": LazyCommand(f"{_HERE}.mfa_policies", "Report on the users of an environment."),
    "senders": LazyCommand(f"{_HERE}.messages", "Show, set, test and delete what sends messages to users."),
    "messages": LazyCommand(f"{_HERE}.messages", "List messages to users; preview their texts."),
    "operators": LazyCommand(f"{_HERE}.operators", "Manage the operators, who can sign in to the console."),
    "audit": LazyCommand(f"{_HERE}.audit", "List, export and verify the audit log."),
    "vault": LazyCommand(f"{_HERE}.vault", "Manage the keys that encrypt secrets in the database."),
    "webhooks": LazyCommand(
        f"{_HERE}.webhooks", "List and ping webhook endpoints; list and resend deliveries."
    ),
}


Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def _completion_option(flag: str, function: str, about: str) -> Decorator:
    """Make an eager option that calls a function of `cli.completion` with the shell's name, then exits."""

    def call(ctx: click.Context, _option: click.Parameter, shell: str | None) -> None:
        if shell is not None and not ctx.resilient_parsing:
            from authfactor.cli import completion

            getattr(completion, function)(ctx, shell)
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


# `invoke_without_command`: --version needs no command, and may come before or after --json.
@click.group(
    cls=LazyGroup,
    listed=COMMANDS,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
)
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the database and the key ring.")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file with settings.")
@click.option("--environment", help="Name or client id of the environment.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in the format of the API.")
@click.option(
    "--version", is_flag=True, help="Print the versions of this program, of Python, SQLite and packages."
)
@_completion_option(
    "--install-completion",
    "install",
    "Install completion for bash, zsh or fish. Default: your current shell.",
)
@_completion_option("--show-completion", "show", "Print the completion script, to review or customize it.")
@click.pass_context
def app(
    ctx: click.Context,
    data: Path | None,
    config: Path | None,
    environment: str | None,
    as_json: bool,
    version: bool,
) -> None:
    """Run a self-hosted multi-factor authentication service with the WorkOS API."""
    from authfactor.cli import context

    ctx.obj = context.GlobalOptions(data, config, environment, as_json)
    if version:
        from authfactor.cli import versions

        context.print_result(ctx.obj, versions.found(), lambda: print(versions.text()))
        ctx.exit()
    if ctx.invoked_subcommand is None:
        ctx.fail("Missing command.")


def main() -> None:
    """Run the command line."""
    app(prog_name="authfactor")
