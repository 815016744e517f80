"""Shared by all commands: settings, opening the installation, printing JSON or text, exiting on errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
import msgspec

from authfactor import errors, settings
from authfactor.cli import terminal
from authfactor.settings import reading

if TYPE_CHECKING:
    from authfactor.core import Authfactor
    from authfactor.models import Environment
    from authfactor.rules.audit.audit_log import Actor
    from authfactor.store import Unit

T = TypeVar("T")
reason_option = click.option("--reason", help="Reason to record in the audit log.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
_WIDE = 1000


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """Options that come before the command's name."""

    data: Path | None = None
    config: Path | None = None
    environment: str | None = None
    as_json: bool = False


def global_options(ctx: click.Context) -> GlobalOptions:
    """Return the options that came before the command's name."""
    return ctx.find_object(GlobalOptions) or GlobalOptions()


def read_settings(options: GlobalOptions) -> settings.Settings:
    """Read the settings, or exit with a one-line error."""
    return load_settings(options).settings


def load_settings(options: GlobalOptions, **overrides: object) -> reading.LoadedSettings:
    """Read the settings with the origin of each. `overrides` are the values of the command's own options."""
    try:
        file = reading.find_file(os.environ, options.config)
        return reading.load(os.environ, file, **({"data": options.data} | overrides))
    except settings.InvalidSetting as error:
        fail(error)


def fail(error: Exception) -> NoReturn:
    """Print the error in one line, plus one line per invalid field, and exit with the error's exit code."""
    items = getattr(error, "items", ())
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        text = f"{error.strerror or error}{where}"
    else:
        text = getattr(error, "message", None) or str(error)
    terminal.show(f"authfactor: {terminal.printable(text)}", sys.stderr)
    for item in items:
        terminal.show(f"  - {terminal.printable(item.message)}", sys.stderr)
    from authfactor.cli import exit_codes

    raise SystemExit(exit_codes.code_of(error))


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to completion on a new event loop."""
    # Imported here because `--help` does not need it, and it takes half of that command's import time.
    import asyncio

    return asyncio.run(work)


def expected_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that `fail` reports in one line. Any other is a bug and shows its traceback."""
    from authfactor.crypto import keyring, vault

    return (
        errors.AuthfactorError,
        settings.InvalidSetting,
        keyring.KeyRingUnusable,
        vault.UnsealError,
        OSError,
    )


def run(
    options: GlobalOptions,
    work: Callable[[Authfactor, Environment], Awaitable[T]],
    *,
    create: bool = False,
) -> T:
    """Like `run_installation`, but call `work` with the selected environment too."""

    async def with_environment(af: Authfactor) -> T:
        return await work(af, await _find_environment(af, options.environment))

    return run_installation(options, with_environment, create=create)


def run_installation(
    options: GlobalOptions, work: Callable[[Authfactor], Awaitable[T]], *, create: bool = False
) -> T:
    """Open the installation, call `work` with it, close it, exit on errors.

    `create`: also where there is none yet, which is reported. All other commands exit with code 8 there, so
    that a wrong directory never looks like an empty installation.
    """
    from authfactor.cli import progress
    from authfactor.core import Authfactor
    from authfactor.store import opening

    async def open_and_run() -> T:
        loaded = read_settings(options)
        is_new = not opening.exists(loaded)
        # A release's first command on a SQLite database upgrades its schema.
        with progress.bar("opening the database", silent=options.as_json):
            af = await Authfactor.open(loaded, create=create)
        if is_new:
            terminal.show(f"authfactor: created a new installation in {loaded.data}", sys.stderr)
        try:
            return await work(af)
        finally:
            await af.close()

    try:
        return run_async(open_and_run())
    except expected_errors() as error:
        fail(error)


async def _find_environment(af: Authfactor, name_or_client_id: str | None) -> Environment:
    if name_or_client_id is not None:
        return await af.read(af.environments.find(name_or_client_id))
    environments = await af.read(lambda tx: tx.environments.all())
    if len(environments) > 1:
        names = ", ".join(environment.name for environment in environments)
        text = f"There are several environments ({names}). Choose one with --environment."
        raise errors.InvalidRequest(message=text)
    return environments[0]


def secret_argument(value: str) -> str:
    """Return a secret argument; for `-`, the next line of standard input, which no process list shows.

    Without a line there, exits with code 2.
    """
    if value != "-":
        return value
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        fail(errors.InvalidRequest(message="Standard input has no line to read for the argument -."))
    return line


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal, unless `--yes` was given; any answer but yes ends the command with code 1."""
    if not yes:
        click.confirm(question, abort=True)


def actor() -> Actor:
    """Return the actor for the audit log: the operating system's user that runs the command."""
    from authfactor.rules.audit.audit_log import COMMAND_LINE, Actor

    try:
        import pwd

        name = pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        # In a container, the user id often has no entry in /etc/passwd.
        name = f"uid {os.getuid()}"
    return Actor("command_line", name, COMMAND_LINE.name)


async def run_audited(
    af: Authfactor,
    environment: Environment | None,
    unit: Unit[T],
    action: str,
    target: str | Callable[[T], str],
    reason: str | None = None,
) -> T:
    """Run a unit and append an audit entry with the current user as actor, in one transaction.

    `target` is the id of the changed object, or a function that takes it from the unit's result.
    """
    number = environment.number if environment is not None else None
    reason = (reason or "").strip() or None
    return await af.run(af.audit.audited(unit, actor(), action, target, environment=number, reason=reason))


def print_result(options: GlobalOptions, shape: Any, print_text: Callable[[], None]) -> None:  # noqa: ANN401 - any wire shape
    """With --json, print `shape` as JSON; otherwise call `print_text`."""
    if options.as_json:
        print(terminal.printable_json(msgspec.json.format(msgspec.json.encode(shape)).decode()))
    else:
        print_text()


def print_page(
    options: GlobalOptions,
    shape: Any,  # noqa: ANN401 - any wire shape
    columns: list[str],
    rows: list[list[str]],
    empty: str,
    after: str | None,
) -> None:
    """Like `print_result` with `print_table`, and the option that shows the page `after` this one."""

    def print_text() -> None:
        print_table(columns, rows, empty)
        if after:
            terminal.show(f"Next page: --after {after}")

    print_result(options, shape, print_text)


def print_table(columns: list[str], rows: list[list[str]], empty: str) -> None:
    """Print a table, or the text `empty` if there are no rows."""
    if not rows:
        print(empty)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        # A string would be markup: `[link=…]` in a name would become a link.
        grid.add_row(*(Text(terminal.printable(cell)) for cell in row))
    # Users copy ids from the table, so it may be wider than the terminal or the pipe.
    console = Console()
    console.width = max(console.width, Console(width=_WIDE).measure(grid).maximum)
    console.print(grid)


def print_pairs(values: list[tuple[str, object]]) -> None:
    """Print names and values in two aligned columns; None is shown as `-`."""
    width = max(len(name) for name, _ in values)
    for name, value in values:
        terminal.show(f"{name:<{width}}  {'-' if value is None else terminal.printable(str(value))}")


def sqlite_path_of(loaded: settings.Settings, message: str) -> Path:
    """Return the path of the SQLite database. Raises `InvalidRequest` with `message` for PostgreSQL."""
    if loaded.sqlite_path is None:
        raise errors.InvalidRequest(message=message)
    return loaded.sqlite_path
