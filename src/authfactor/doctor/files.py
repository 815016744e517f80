"""Files: who may read them, whether they are sound, whether there is room for more."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from authfactor import errors
from authfactor.doctor.finding import DoctorFinding, ok, problem, warning
from authfactor.settings import Settings
from authfactor.store.sqlite import connection

_OTHERS: Final = 0o077
_WRITABLE_BY_OTHERS: Final = 0o022
_LITTLE_SHARE: Final = 0.05
_LITTLE_BYTES: Final = 1 << 30
_ALONGSIDE: Final = ("-wal", "-shm", "-turn")


def of_database(settings: Settings) -> list[Path]:
    """List the embedded database's files that are there; none with PostgreSQL."""
    path = settings.sqlite_path
    if path is None:
        return []
    named = [path, *(path.with_name(path.name + ending) for ending in _ALONGSIDE)]
    return [file for file in named if file.exists()]


def modes(settings: Settings, config: Path | None) -> list[DoctorFinding]:
    """See that nobody else may read the database, the key ring and the settings, or write in their folder."""
    private = [settings.keys_path, *of_database(settings), settings.data / "demo-api-key"]
    private += [config] if config is not None else []
    findings = [*_readable(private), *_writable([settings.data, settings.keys_path.parent])]
    return findings or [ok("files", "nobody else may read the database, the keys or the settings")]


def _readable(paths: list[Path]) -> Iterator[DoctorFinding]:
    for path in paths:
        mode = _mode(path)
        if mode is not None and mode & _OTHERS:
            yield problem("files", f"{path} may be read by others (mode {mode:o})", f"Run: chmod 600 {path}")


def _writable(folders: list[Path]) -> Iterator[DoctorFinding]:
    for folder in dict.fromkeys(folders):
        mode = _mode(folder)
        if mode is not None and mode & _WRITABLE_BY_OTHERS:
            text = f"{folder} may be written by others (mode {mode:o})"
            yield problem("files", text, f"Run: chmod 700 {folder}")


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        return None


def space(settings: Settings) -> list[DoctorFinding]:
    """See that the disk of the embedded database has room."""
    path = settings.sqlite_path
    if path is None or not path.parent.exists():
        return []
    room = shutil.disk_usage(path.parent)
    text = f"{room.free >> 20:,} MiB free on the disk of the database"
    if room.free < _LITTLE_BYTES and room.free < room.total * _LITTLE_SHARE:
        return [warning("disk", text, "Make room: a full disk refuses every enrolment and every code.")]
    return [ok("disk", text)]


def integrity(settings: Settings) -> list[DoctorFinding]:
    """Let SQLite check the structure of its file."""
    path = settings.sqlite_path
    if path is None:
        return []
    try:
        said = connection.integrity(path)
    except errors.AuthfactorError as error:
        return [problem("integrity", error.message, "Restore a backup.")]
    if said != "ok":
        return [problem("integrity", f"the database file is damaged: {said}", "Restore a backup.")]
    size = sum(file.stat().st_size for file in of_database(settings))
    return [ok("integrity", f"the database file is sound ({size >> 20:,} MiB)")]
