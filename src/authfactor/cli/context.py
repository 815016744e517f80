"""What every command needs: settings, an open installation, output as JSON or for people."""

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
from authfactor.settings import reading

if TYPE_CHECKING:
    from authfactor.core import Authfactor
    from authfactor.models import Environment
    from authfactor.rules.audit.audit_log import Actor
    from authfactor.store import Unit

T = TypeVar("T")
reason_option = click.option("--reason", help="Why; it is kept in the audit list.")
_WIDE = 1000


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """Options given before the command."""

    data: Path | None = None
    config: Path | None = None
    environment: str | None = None
    as_json: bool = False


def chosen(ctx: click.Context) -> GlobalOptions:
    """Find the options given before the command."""
    found = ctx.find_object(GlobalOptions)
    return found or GlobalOptions()


def read_settings(options: GlobalOptions) -> settings.Settings:
    """Read the settings, or end with one line that says what is wrong."""
    return load_settings(options).settings


def load_settings(options: GlobalOptions, **overrides: object) -> reading.LoadedSettings:
    """Read the settings with the origin of each; `overrides` come from a command's own options."""
    try:
        file = reading.find_file(os.environ, options.config)
        return reading.load(os.environ, file, **({"data": options.data} | overrides))
    except settings.InvalidSetting as error:
        fail(error)


def fail(error: Exception) -> NoReturn:
    """Say what is wrong in one line (and one a broken rule), and end with the error's exit code."""
    items = getattr(error, "items", ())
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        text = f"{error.strerror or error}{where}"
    else:
        text = getattr(error, "message", None) or str(error)
    print(f"authfactor: {text}", file=sys.stderr)
    for item in items:
        print(f"  - {item.message}", file=sys.stderr)
    from authfactor.cli import exit_codes

    raise SystemExit(exit_codes.code_of(error))


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run what suspends to its end."""
    # Not at the top: a help text runs nothing, and this is half of what it would load.
    import asyncio

    return asyncio.run(work)


def known() -> tuple[type[Exception], ...]:
    """Name the failures that end in one line; whatever else happens is a bug and shows its traceback."""
    from authfactor.crypto import keyring, vault

    return (
        errors.AuthfactorError,
        settings.InvalidSetting,
        keyring.KeyRingUnusable,
        vault.UnsealError,
        OSError,
    )


def run(options: GlobalOptions, work: Callable[[Authfactor, Environment], Awaitable[T]]) -> T:
    """Open the installation, find the environment, do the work, close again."""
    from authfactor.core import Authfactor

    async def inside() -> T:
        af = await Authfactor.open(read_settings(options))
        try:
            return await work(af, await _environment(af, options.environment))
        finally:
            await af.close()

    try:
        return finish(inside())
    except known() as error:
        fail(error)


def run_installation(options: GlobalOptions, work: Callable[[Authfactor], Awaitable[T]]) -> T:
    """Open the installation, do work that belongs to no environment, close again."""
    from authfactor.core import Authfactor

    async def inside() -> T:
        af = await Authfactor.open(read_settings(options))
        try:
            return await work(af)
        finally:
            await af.close()

    try:
        return finish(inside())
    except known() as error:
        fail(error)


async def _environment(af: Authfactor, wanted: str | None) -> Environment:
    if wanted is not None:
        return await af.read(af.environments.find(wanted))
    known = await af.read(lambda tx: tx.environments.all())
    if len(known) > 1:
        names = ", ".join(environment.name for environment in known)
        text = f"There are several environments ({names}). Say which with --environment."
        raise errors.InvalidRequest(message=text)
    return known[0]


def actor() -> Actor:
    """Say who is at the command line: the name of the user that the operating system runs it for."""
    from authfactor.rules.audit.audit_log import COMMAND_LINE, Actor

    try:
        import pwd

        name = pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        # A container often runs under a number that has no name.
        name = f"uid {os.getuid()}"
    return Actor("command_line", name, COMMAND_LINE.name)


async def change(
    af: Authfactor,
    environment: Environment | None,
    unit: Unit[T],
    action: str,
    target: str | Callable[[T], str],
    reason: str | None = None,
) -> T:
    """Run a unit that leaves its entry in the audit list, with who is at the command line."""
    number = environment.number if environment is not None else None
    why = (reason or "").strip() or None
    noted = af.audit.audited(unit, actor(), action, target, environment=number, reason=why)
    return await af.run(noted)


def show(options: GlobalOptions, shape: Any, people: Callable[[], None]) -> None:  # noqa: ANN401 - any wire shape
    """Print the wire's JSON with --json, and what people like to read without."""
    if options.as_json:
        print(msgspec.json.format(msgspec.json.encode(shape)).decode())
    else:
        people()


def table(columns: list[str], rows: list[list[str]], empty: str) -> None:
    """Print a table, or a sentence when there is nothing in it."""
    if not rows:
        print(empty)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    grid = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        grid.add_row(*row)
    # Ids are for copying: never cut one, however narrow the terminal or the pipe.
    console = Console()
    console.width = max(console.width, Console(width=_WIDE).measure(grid).maximum)
    console.print(grid)


def pairs(values: list[tuple[str, object]]) -> None:
    """Print names and values, aligned."""
    width = max(len(name) for name, _ in values)
    for name, value in values:
        print(f"{name:<{width}}  {'-' if value is None else value}")


def sqlite_path_of(loaded: settings.Settings, otherwise: str) -> Path:
    """Return where the embedded database is. Raises `InvalidRequest` with PostgreSQL."""
    if loaded.sqlite_path is None:
        raise errors.InvalidRequest(message=otherwise)
    return loaded.sqlite_path
