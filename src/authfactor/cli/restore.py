"""The implementation of `authfactor restore`."""

import asyncio
import contextlib
import dataclasses
import fcntl
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from authfactor import errors
from authfactor.cli import context, progress
from authfactor.core import check_clock, system_clock, system_entropy
from authfactor.crypto import keyring
from authfactor.settings import Settings

if TYPE_CHECKING:
    from authfactor.crypto.vault import Key
    from authfactor.rules.maintenance.after_restore import RestoreMarks

_POSTGRES = (
    "This installation uses PostgreSQL. Restore it with PostgreSQL's own tools, then run authfactor restore"
    " --mark. To move a SQLite backup to PostgreSQL, restore it to another directory and use authfactor copy."
    " See docs/how-to/back-up.md."
)


def run(options: context.GlobalOptions, file: Path | None, *, check: bool, mark: bool, force: bool) -> None:
    """Check or restore a backup, or with `mark` only apply the measures after a restore; print the result."""
    settings = context.read_settings(options)
    if mark == (file is not None) or (check and (mark or force)):
        context.fail(errors.InvalidRequest(message="Give either a backup file or --mark."))
    try:
        check_clock(system_clock())
        with progress.bar("ending sessions and rejecting codes", silent=options.as_json) as report:
            if file is None:
                ring = keyring.source_of(settings).read()
                done = _RestoreResult(
                    None, asyncio.run(_open_and_mark(settings, ring, "marked after a restore", mark=True))
                )
            else:
                done = _restore(settings, file, report, check=check, force=force)
    except context.expected_errors() as error:
        context.fail(error)
    context.print_result(options, done.shape(), lambda: done.print_text(file))


@dataclasses.dataclass(frozen=True)
class _RestoreResult:
    made_at: int | None
    marked: "RestoreMarks | None"
    aside: Path | None = None
    kept_stricter: bool | None = None

    def shape(self) -> dict[str, object]:
        marked = None if self.marked is None else self.marked._asdict()
        aside = None if self.aside is None else str(self.aside)
        made = None if self.made_at is None else _format_time(self.made_at)
        return {
            "backup_made_at": made,
            "marked": marked,
            "kept_aside": aside,
            "kept_stricter": self.kept_stricter,
        }

    def print_text(self, file: Path | None) -> None:
        if file is not None:
            done = "can be restored" if self.marked is None else "was restored"
            print(f"{file} of {_format_time(self.made_at or 0)} {done}:", end=" ")
            print("every page is sound, every secret can be decrypted.")
        if self.aside is not None:
            print(f"The old database is now {self.aside}.")
            if not self.kept_stricter:
                print("It could not be read: locks and revoked keys are those of the backup.")
        if self.marked is not None:
            count = self.marked
            print(f"All codes up to now are rejected, for {count.factors} factors.")
            print(f"Ended: {count.sessions} sessions and {count.expired} challenges, sign-ins and links.")
            if count.trusted_devices:
                print(f"Ended: {count.trusted_devices} trusted devices. Their users enter a code again.")
            if count.recovery_codes:
                print(f"Deleted: {count.recovery_codes} recovery codes. Their users need new ones.")
            if not self.kept_stricter:
                print("API keys revoked and operators disabled since the backup are active again. Check:")
                print("  authfactor keys list\n  authfactor operators list")
            print("Users deleted since the backup exist again. Users enrolled since must enroll again.")


def _restore(
    settings: Settings, file: Path, report: progress.Report, *, check: bool, force: bool
) -> _RestoreResult:
    from authfactor.crypto import backup_format
    from authfactor.store.sqlite import backup, keep_restrictions

    path = context.sqlite_path_of(settings, _POSTGRES)
    if not check:
        _check_target(path, force=force)
    ring = keyring.source_of(settings).read()
    with _draft_folder(path.parent) as folder:
        draft = folder / path.name
        draft.touch(mode=0o600)
        with file.open("rb") as source, draft.open("wb") as target:
            add = progress.adding(report, "decrypting", file.stat().st_size)
            head, chunks = backup_format.read(source, ring)
            for chunk in chunks:
                target.write(chunk)
                add(len(chunk))
        report("checking every page")
        found = backup.file_integrity_errors(draft)
        if found:
            raise backup_format.InvalidBackup(f"The database in the backup is damaged: {found[0]}")
        made = _format_time(head.created_at)
        fresh = dataclasses.replace(settings, database_url=f"sqlite:///{draft}")
        report("checking every secret")
        marked = asyncio.run(_open_and_mark(fresh, ring, f"backup of {made}", check=True, mark=not check))
        if check:
            return _RestoreResult(head.created_at, None)
        aside = kept = None
        if path.exists():
            aside = path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}")  # noqa: TID251 - a name
            report("keeping the restrictions of the old database")
            kept = keep_restrictions.keep(draft, path)
        backup.install(draft, path, aside)
    return _RestoreResult(head.created_at, marked, aside, kept)


def _check_target(path: Path, *, force: bool) -> None:
    from authfactor.store.sqlite import backup

    if path.exists():
        with backup.exclusive_lock(path):
            pass
    if not force:
        log = path.with_name(f"{path.name}-wal")
        # An empty write-ahead log is a leftover of a program that only read the database.
        for there in (path, *((log,) if log.exists() and log.stat().st_size else ())):
            if there.exists():
                text = f"{there} exists. Move the old database's files away, or rename them with --force."
                raise backup.TargetOccupied(text)


async def _open_and_mark(
    settings: Settings, ring: "list[Key]", reason: str, *, check: bool = False, mark: bool
) -> "RestoreMarks | None":
    """Upgrade a database's schema; with `check`, decrypt every secret; with `mark`, apply `AfterRestore`."""
    from authfactor.crypto.vault import UnsealError, Vault
    from authfactor.rules.audit.audit_log import AuditLog
    from authfactor.rules.maintenance.after_restore import AfterRestore
    from authfactor.rules.maintenance.key_rotation import KeyRotation
    from authfactor.store.opening import open_store

    store = await open_store(settings, system_entropy, create=False)
    try:
        if check:
            sealing = KeyRotation(system_clock, "")
            missing = await sealing.missing_keys(store, tuple(key.id for key in ring))
            if missing:
                raise keyring.KeyMissing(keyring.source_of(settings).description, missing, ring_found=True)
            if unopenable := await sealing.unopenable_rows(store, Vault(ring, system_entropy)):
                raise UnsealError(
                    f"The key ring cannot decrypt {len(unopenable)} secrets; the first is {unopenable[0]}."
                )
        if not mark:
            return None
        audit = AuditLog(system_clock, system_entropy, Vault(ring, system_entropy))
        return await AfterRestore(system_clock, settings, audit, context.actor()).mark(store, reason)
    finally:
        await store.close()


@contextlib.contextmanager
def _draft_folder(folder: Path) -> Iterator[Path]:
    """Make a private, empty folder for the draft, and delete it at the end.

    Raises `TargetOccupied` while another restore holds its lock.
    """
    from authfactor.store.sqlite import backup

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft_folder = folder / ".restoring"
    draft_folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(draft_folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise backup.TargetOccupied(f"Another restore into {folder} is running.") from error
        # A restore that was killed leaves its files.
        for left in draft_folder.iterdir():
            left.unlink()
        try:
            yield draft_folder
        finally:
            shutil.rmtree(draft_folder)
    finally:
        os.close(descriptor)


def _format_time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
