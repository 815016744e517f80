"""`authfactor backup` and `authfactor restore`."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authfactor.cli import context, progress

if TYPE_CHECKING:
    from authfactor.settings import Settings

_POSTGRES = (
    "This installation uses PostgreSQL. Back it up with pg_dump or pg_basebackup; after a restore, run"
    " authfactor restore --mark. See docs/how-to/back-up.md."
)


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path), help="File to write.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.pass_context
def backup(ctx: click.Context, file: Path, force: bool) -> None:
    """Write an encrypted backup of the SQLite database to a file, while servers run.

    The backup is a consistent snapshot, encrypted with the newest key of the key ring. It is read back and
    verified before the file gets its final name. The key ring is NOT part of the backup: store a copy of it
    separately. Without the key ring a backup cannot be decrypted; both together reveal every secret.

    Example: authfactor backup /backups/authfactor-monday
    """
    options = context.global_options(ctx)
    try:
        with progress.bar("opening the database", silent=options.as_json) as report:
            key_id = _backup(context.read_settings(options), file, report, replace=force)
    except context.expected_errors() as error:
        context.fail(error)
    size = file.stat().st_size
    context.print_result(
        options,
        {"file": str(file), "bytes": size, "key": key_id},
        lambda: print(
            f"Wrote {file}: {size / 1e6:.1f} MB, encrypted with the key {key_id} and verified."
            " It does not contain the key ring."
        ),
    )


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path), required=False, help="Backup to restore.")
@click.option("--check", is_flag=True, help="Check that the backup can be restored; change nothing.")
@click.option("--mark", is_flag=True, help="Apply the security measures after a restore by other means.")
@click.option("--force", is_flag=True, help="Rename an existing database and restore anyway.")
@click.pass_context
def restore(ctx: click.Context, file: Path | None, check: bool, mark: bool, force: bool) -> None:
    """Replace the SQLite database with a backup. Stop every server first.

    The backup is decrypted, and every page and every secret in it is checked. To prevent replay, all codes up
    to now are rejected afterwards, so users may have to wait a minute for a code that works. All sessions,
    open challenges, pending sign-ins and links end, because the backup would revive those that have ended
    since. With --force, restrictions from the old database are kept: revoked API keys, wrong codes, locks.

    Example: authfactor --data /var/lib/authfactor restore /backups/authfactor-monday
    """
    from authfactor.cli import restore

    restore.run(context.global_options(ctx), file, check=check, mark=mark, force=force)


def _backup(settings: Settings, file: Path, report: progress.Report, *, replace: bool) -> str:
    from authfactor.core import system_clock, system_entropy
    from authfactor.crypto import backup_format, keyring
    from authfactor.store import opening
    from authfactor.store.sqlite import backup

    path = context.sqlite_path_of(settings, _POSTGRES)
    if not opening.exists(settings):
        raise opening.NoInstallation(settings)
    if file.exists() and not replace:
        raise backup.TargetOccupied(f"{file} exists. Choose another name, or replace it with --force.")
    ring = keyring.source_of(settings).read()
    head = backup_format.BackupHeader(ring[-1].id, system_entropy(backup_format.SALT_BYTES), system_clock())
    with _draft(file.parent) as draft:
        # The complete copy is checked before it is yielded.
        with backup.snapshot(
            path,
            lambda done, total: (
                report("copying", done, total) if done < total else report("checking the copy")
            ),
        ) as plain:
            size = os.fstat(plain.fileno()).st_size
            plain.seek(0)
            with draft.open("wb") as target:
                add = progress.adding(report, "encrypting", size)
                backup_format.write(plain, target, ring[-1], head, add)
        backup.fsync_path(draft)
        add = progress.adding(report, "verifying", size)
        with draft.open("rb") as source:
            for chunk in backup_format.read(source, ring)[1]:
                add(len(chunk))
        _rename(draft, file, replace=replace)
        backup.fsync_path(file.parent)
    return ring[-1].id


@contextlib.contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """Make a temporary file with mode 600 in the folder, and delete it at the end unless it was renamed."""
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".authfactor-", suffix=".draft")
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _rename(draft: Path, file: Path, *, replace: bool) -> None:
    if not replace:
        try:
            os.link(draft, file)
        except FileExistsError:
            raise
        except OSError:
            # Some file systems of USB drives and network shares have no hard links. The check below has a
            # race, but only with another program that makes the same file now.
            if file.exists():
                raise
        else:
            return
    draft.replace(file)
