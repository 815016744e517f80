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
@click.option("--from", "source", required=True, help="Database to read: sqlite:///… or postgresql://…")
@click.option("--to", "target", required=True, help="Empty database to fill.")
@click.option(
    "--reseal",
    type=click.Path(path_type=Path),
    help="Key ring file of the target: seal every secret anew with its newest key.",
)
@click.pass_context
def copy(ctx: click.Context, source: str, target: str, reseal: Path | None) -> None:
    """Move an installation to another database, of the same kind or the other one.

    Stop the servers first: the source is locked against changes while it is read. The target gets the
    schema, then every row; at the end both are compared row by row. A run that was interrupted goes on when
    the same command is given again. A target with content is refused, and no server starts on a half-filled
    one.

    Secrets stay sealed: the target's servers need the same key ring. With --reseal they are opened with
    this installation's key ring and sealed with another.

    Example: authfactor copy --from sqlite:///var/lib/authfactor/authfactor.db --to postgresql://db/authfactor
    """
    options = context.chosen(ctx)
    settings = context.read_settings(options)
    try:
        counts = context.finish(_copy(settings, source, target, reseal))
    except context.known() as error:
        context.fail(error)
    shape = {
        "from": _shown(source),
        "to": _shown(target),
        "rows": sum(counts.values()),
        "tables": counts,
        "resealed": reseal is not None,
    }
    context.show(
        options, shape, lambda: _tell(counts, target, settings.keys_path if reseal is None else reseal)
    )


async def _copy(settings: Settings, source: str, target: str, reseal: Path | None) -> dict[str, int]:
    from authfactor.crypto import keyring
    from authfactor.crypto.vault import Vault
    from authfactor.store import copying, opening

    if _same(source, target):
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
    here, there = await opening.open_side(old), await opening.open_side(new)
    try:
        await here.hold()
        with _bars() as progress:
            return await copying.copy(here, there, progress, sealing)
    finally:
        await there.close()
        await here.close()


def _same(source: str, target: str) -> bool:
    if source.startswith("sqlite:///") and target.startswith("sqlite:///"):
        return Path(source[10:]).resolve() == Path(target[10:]).resolve()
    return source == target


def _tell(counts: dict[str, int], target: str, ring: Path) -> None:
    context.table(["table", "rows"], [[table, str(rows)] for table, rows in counts.items() if rows], "")
    print(f"{sum(counts.values())} rows copied and compared one by one. Now set:")
    print(f"  {PREFIX}DATABASE_URL={_shown(target)}")
    print(f"  {PREFIX}KEYS={ring.absolute()}")


def _shown(url: str) -> str:
    """Write a URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}").geturl()


@contextlib.contextmanager
def _bars() -> Iterator[CopyProgress]:
    """Draw a bar for each table that has rows, on standard error."""
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

        def tell(step: str, table: str, done: int, total: int) -> None:
            if total:
                name = f"{step} {table}"
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=total)
                bars.update(tasks[name], completed=done)

        yield tell
