"""`authfactor copy`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from authfactor import errors
from authfactor.cli import context
from authfactor.settings import PREFIX, Settings

if TYPE_CHECKING:
    from authfactor.store.copying import CopyProgress


@click.command("copy")
@click.option("--from", "source", required=True, help="Source database: sqlite:///… or postgresql://…")
@click.option("--to", "target", required=True, help="Target database; it must be empty.")
@click.option(
    "--reseal",
    type=click.Path(path_type=Path),
    help="Key ring file of the target: re-encrypt every secret with its newest key.",
)
@click.pass_context
def copy(ctx: click.Context, source: str, target: str, reseal: Path | None) -> None:
    """Copy an installation to another database, SQLite or PostgreSQL.

    Stop the servers first: the source is locked against writes during the copy. The command creates the
    schema in the target, copies every row, and then compares both databases row by row. If it is
    interrupted, run it again to continue. It rejects a target that has other content, and no server starts
    on an incomplete copy.

    Secrets stay encrypted with the same keys, so the target's servers need the same key ring. With --reseal,
    they are decrypted with this installation's key ring and encrypted with another one.

    Example: authfactor copy --from sqlite:///var/lib/authfactor/authfactor.db --to postgresql://db/authfactor
    """
    options = context.global_options(ctx)
    settings = context.read_settings(options)
    try:
        counts = context.run_async(_copy(settings, source, target, reseal))
    except context.expected_errors() as error:
        context.fail(error)
    shape = {
        "from": _without_password(source),
        "to": _without_password(target),
        "rows": sum(counts.values()),
        "tables": counts,
        "resealed": reseal is not None,
    }
    context.print_result(
        options,
        shape,
        lambda: _print_result(counts, target, settings.keys_path if reseal is None else reseal),
    )


async def _copy(settings: Settings, source: str, target: str, reseal: Path | None) -> dict[str, int]:
    from authfactor.crypto import keyring
    from authfactor.crypto.vault import Vault
    from authfactor.store import copying, opening

    if _is_same_database(source, target):
        raise errors.InvalidRequest(message="--from and --to are the same database.")
    old = dataclasses.replace(settings, database_url=source)
    new = dataclasses.replace(settings, database_url=target)
    sealing = None
    if reseal is not None:
        rings = keyring.source_of(settings).read(), keyring.read(reseal)
        sealing = copying.ReopenAndSeal(*(Vault(ring, os.urandom) for ring in rings))  # noqa: TID251 - a nonce, in a command
    found = await opening.schema_version(old)
    opening.check_exact_schema(found)
    await opening.upgrade(new)
    here, there = await opening.open_copy_endpoint(old), await opening.open_copy_endpoint(new)
    try:
        await here.lock()
        with _progress_bars() as progress:
            return await copying.copy(here, there, progress, sealing)
    finally:
        await there.close()
        await here.close()


def _is_same_database(source: str, target: str) -> bool:
    if source.startswith("sqlite:///") and target.startswith("sqlite:///"):
        return Path(source[10:]).resolve() == Path(target[10:]).resolve()
    return source == target


def _print_result(counts: dict[str, int], target: str, ring: Path) -> None:
    context.print_table(["table", "rows"], [[table, str(rows)] for table, rows in counts.items() if rows], "")
    print(f"Copied and compared {sum(counts.values())} rows. Now set:")
    print(f"  {PREFIX}DATABASE_URL={_without_password(target)}")
    print(f"  {PREFIX}KEYS={ring.absolute()}")


def _without_password(url: str) -> str:
    """Replace the password in a URL by `***`."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}").geturl()


@contextlib.contextmanager
def _progress_bars() -> Iterator[CopyProgress]:
    """Draw a progress bar on standard error for each table that has rows."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeRemainingColumn(),
    )
    tasks = {}
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def report(step: str, table: str, done: int, total: int) -> None:
            if total:
                name = f"{step} {table}"
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=total)
                bars.update(tasks[name], completed=done)

        yield report
