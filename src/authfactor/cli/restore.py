"""What `authfactor restore` does."""

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
from authfactor.cli import context
from authfactor.cli.progress import bars
from authfactor.core import check_clock, system_clock, system_entropy
from authfactor.crypto import keyring
from authfactor.settings import Settings

if TYPE_CHECKING:
    from authfactor.crypto.vault import Key
    from authfactor.rules.maintenance.after_restore import RestoreMarks

_CLUSTER = (
    "This installation's database is PostgreSQL. Restore it with PostgreSQL's own means, then run authfactor"
    " restore --mark. To bring a backup of the embedded database there, restore it into a folder and use"
    " authfactor copy. See docs/how-to/back-up.md."
)


def run(options: context.GlobalOptions, file: Path | None, *, check: bool, mark: bool, force: bool) -> None:
    """Do what the command was told to, and say what became of it."""
    settings = context.read_settings(options)
    if mark == (file is not None) or (check and (mark or force)):
        context.fail(errors.InvalidRequest(message="Name a backup file, or give --mark, and not both."))
    try:
        check_clock(system_clock())
        if file is None:
            ring = keyring.source_of(settings).read()
            done = _RestoreResult(
                None, asyncio.run(_work(settings, ring, "marked after a restore", mark=True))
            )
        else:
            done = _restore(settings, file, check=check, force=force)
    except context.known() as error:
        context.fail(error)
    context.show(options, done.shape(), lambda: done.tell(file))


@dataclasses.dataclass(frozen=True)
class _RestoreResult:
    made_at: int | None
    marked: "RestoreMarks | None"
    aside: Path | None = None
    kept_stricter: bool | None = None

    def shape(self) -> dict[str, object]:
        marked = None if self.marked is None else self.marked._asdict()
        aside = None if self.aside is None else str(self.aside)
        made = None if self.made_at is None else _written(self.made_at)
        return {
            "backup_made_at": made,
            "marked": marked,
            "kept_aside": aside,
            "kept_stricter": self.kept_stricter,
        }

    def tell(self, file: Path | None) -> None:
        if file is not None:
            done = "could be" if self.marked is None else "is"
            print(f"{file} of {_written(self.made_at or 0)} {done} restored:", end=" ")
            print("every page is sound, every secret opens.")
        if self.aside is not None:
            print(f"The old database is kept as {self.aside}.")
            if not self.kept_stricter:
                print("It could not be read: locks and revoked keys are those of the backup.")
        if self.marked is not None:
            count = self.marked
            print(
                f"Codes used until now are refused for {count.factors} factors. Ended: {count.sessions}",
                end="",
            )
            print(f" sessions, {count.expired} challenges, sign-ins and links.")
            if not self.kept_stricter:
                print("Keys revoked and operators disabled since the backup are back. Check:")
                print("  authfactor keys list\n  authfactor operators list")
            print("Users deleted since the backup are back; those enrolled since enrol again.")


def _restore(settings: Settings, file: Path, *, check: bool, force: bool) -> _RestoreResult:
    from authfactor.crypto import backup_format
    from authfactor.store.sqlite import backup, keep_restrictions

    path = context.sqlite_path_of(settings, _CLUSTER)
    if not check:
        _refuse_what_is_there(path, force=force)
    ring = keyring.source_of(settings).read()
    with _workshop(path.parent) as folder:
        draft = folder / path.name
        draft.touch(mode=0o600)
        with file.open("rb") as source, draft.open("wb") as target, bars() as progress:
            task = progress.add_task("decrypting", total=file.stat().st_size)
            head, chunks = backup_format.read(source, ring)
            for chunk in chunks:
                target.write(chunk)
                progress.advance(task, len(chunk))
        found = backup.problems_of(draft)
        if found:
            raise backup_format.InvalidBackup(f"The database in the backup is damaged: {found[0]}")
        made = _written(head.made_at)
        fresh = dataclasses.replace(settings, database_url=f"sqlite:///{draft}")
        marked = asyncio.run(_work(fresh, ring, f"backup of {made}", check=True, mark=not check))
        if check:
            return _RestoreResult(head.made_at, None)
        aside = kept = None
        if path.exists():
            aside = path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}")  # noqa: TID251 - a name
            kept = keep_restrictions.keep(draft, path)
        backup.put(draft, path, aside)
    return _RestoreResult(head.made_at, marked, aside, kept)


def _refuse_what_is_there(path: Path, *, force: bool) -> None:
    from authfactor.store.sqlite import backup

    if path.exists():
        with backup.alone(path):
            pass
    if not force:
        log = path.with_name(f"{path.name}-wal")
        # An empty log holds nothing: a program that read the database has left it.
        for there in (path, *((log,) if log.exists() and log.stat().st_size else ())):
            if there.exists():
                text = (
                    f"{there} is there. Move the old database's files away, or give --force to keep it aside."
                )
                raise backup.TargetOccupied(text)


async def _work(
    settings: Settings, ring: "list[Key]", reason: str, *, check: bool = False, mark: bool
) -> "RestoreMarks | None":
    """Bring a database to this release's schema, see that its secrets open, mark it."""
    from authfactor.crypto.vault import UnsealError, Vault
    from authfactor.rules.audit.audit_log import AuditLog
    from authfactor.rules.maintenance.after_restore import AfterRestore
    from authfactor.rules.maintenance.key_rotation import KeyRotation
    from authfactor.store.opening import open_store

    store = await open_store(settings, system_entropy)
    try:
        if check:
            sealing = KeyRotation(system_clock, "")
            missing = await sealing.missing_keys(store, tuple(key.id for key in ring))
            if missing:
                raise keyring.KeyMissing(keyring.source_of(settings).shown, missing, there=True)
            if shut := await sealing.unopenable_rows(store, Vault(ring, system_entropy)):
                raise UnsealError(f"The key ring does not open {len(shut)} secrets, the first in {shut[0]}.")
        if not mark:
            return None
        audit = AuditLog(system_clock, system_entropy, Vault(ring, system_entropy))
        return await AfterRestore(system_clock, settings, audit, context.actor()).mark(store, reason)
    finally:
        await store.close()


@contextlib.contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """Make a folder for the draft, private, empty and gone afterwards; one restore at a time."""
    from authfactor.store.sqlite import backup

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shop = folder / ".restoring"
    shop.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(shop, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise backup.TargetOccupied(f"Another restore into {folder} is under way.") from error
        # What one that was killed has left.
        for left in shop.iterdir():
            left.unlink()
        try:
            yield shop
        finally:
            shutil.rmtree(shop)
    finally:
        os.close(descriptor)


def _written(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
