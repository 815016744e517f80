"""`authfactor backup` and `authfactor restore`."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authfactor import errors
from authfactor.cli import context
from authfactor.cli.progress import bars

if TYPE_CHECKING:
    from authfactor.settings import Settings

_CLUSTER = (
    "This installation's database is PostgreSQL. Back it up with pg_dump or pg_basebackup; after a restore"
    " run authfactor restore --mark. See docs/how-to/back-up.md."
)


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path), help="File to write.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.pass_context
def backup(ctx: click.Context, file: Path, force: bool) -> None:
    """Write an encrypted backup of the embedded database to a file, while servers run.

    It holds the database as it is at one moment, encrypted with the newest key of the key ring, and is read
    back before it gets its name. The key ring itself is NOT in it: keep a copy of that elsewhere, apart from
    the backups. Without it no backup can be opened, and who has both can read every secret.

    Example: authfactor backup /backups/authfactor-monday
    """
    options = context.chosen(ctx)
    try:
        key_id = _backup(context.read_settings(options), file, replace=force)
    except context.known() as error:
        context.fail(error)
    size = file.stat().st_size
    context.show(
        options,
        {"file": str(file), "bytes": size, "key": key_id},
        lambda: print(
            f"{file}: {size / 1e6:.1f} MB, encrypted with the key {key_id} and read back. The key ring is not"
            " in it."
        ),
    )


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path), required=False, help="Backup to restore.")
@click.option("--check", is_flag=True, help="Only see whether it could be restored; change nothing.")
@click.option(
    "--mark", is_flag=True, help="Restore nothing; make a database safe that was restored otherwise."
)
@click.option("--force", is_flag=True, help="Keep the database that is there aside, under another name.")
@click.pass_context
def restore(ctx: click.Context, file: Path | None, check: bool, mark: bool, force: bool) -> None:
    """Put a backup in the place of the embedded database. Stop every server first.

    The backup is decrypted and checked: every page, and that every secret opens with the key ring. Codes up
    to now are refused from then on, so none that was used since the backup is good again: users may have to
    wait a minute for a code that is. Sessions, open challenges, waiting sign-ins and links end, because those
    that were ended or used since the backup would be alive again. With --force what the old database knows
    against somebody is kept: revoked API keys, wrong codes, locks.

    Example: authfactor --data /var/lib/authfactor restore /backups/authfactor-monday
    """
    from authfactor.cli import restore

    restore.run(context.chosen(ctx), file, check=check, mark=mark, force=force)


def _backup(settings: Settings, file: Path, *, replace: bool) -> str:
    from authfactor.core import system_clock, system_entropy
    from authfactor.crypto import backup_format, keyring
    from authfactor.store.sqlite import backup

    path = context.sqlite_path_of(settings, _CLUSTER)
    if not path.exists():
        raise errors.InvalidRequest(message=f"There is no database at {path}.")
    if file.exists() and not replace:
        raise backup.TargetOccupied(f"{file} is there. Choose another name, or give --force.")
    ring = keyring.source_of(settings).read()
    head = backup_format.BackupHeader(ring[-1].id, system_entropy(backup_format.SALT_BYTES), system_clock())
    with _draft(file.parent) as draft, bars() as progress:
        copying = progress.add_task("copying", total=None)
        with backup.snapshot(
            path, lambda done, total: progress.update(copying, completed=done, total=total)
        ) as plain:
            size = os.fstat(plain.fileno()).st_size
            plain.seek(0)
            writing = progress.add_task("encrypting", total=size)
            with draft.open("wb") as target:
                backup_format.write(
                    plain, target, ring[-1], head, lambda count: progress.advance(writing, count)
                )
        backup.sync(draft)
        reading = progress.add_task("reading back", total=size)
        with draft.open("rb") as source:
            for chunk in backup_format.read(source, ring)[1]:
                progress.advance(reading, len(chunk))
        _name(draft, file, replace=replace)
        backup.sync(file.parent)
    return ring[-1].id


@contextlib.contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """Make a file of mode 600 beside the final one, gone afterwards unless it got its name."""
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".authfactor-", suffix=".draft")
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _name(draft: Path, file: Path, *, replace: bool) -> None:
    if not replace:
        try:
            os.link(draft, file)
        except FileExistsError:
            raise
        except OSError:
            # A file system without links, as on some sticks and shares: nobody else writes there at once.
            if file.exists():
                raise
        else:
            return
    draft.replace(file)
