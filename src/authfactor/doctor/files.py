"""Checks of the files: permissions, integrity, free disk space."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from authfactor import errors
from authfactor.doctor.finding import DoctorFinding, ok, problem, warning
from authfactor.settings import Settings
from authfactor.store.sqlite import connection

_ACCESS_BY_OTHERS: Final = 0o077
_WRITABLE_BY_OTHERS: Final = 0o022
_LOW_SHARE: Final = 0.05
_LOW_BYTES: Final = 1 << 30
_SUFFIXES: Final = ("-wal", "-shm", "-turn")
# Files in the data directory that `serve` writes.
_CREDENTIALS: Final = ("bootstrap-api-key", "console-set-up-link", "demo-api-key")


def of_database(settings: Settings) -> list[Path]:
    """Return the existing files of the SQLite database; none with PostgreSQL."""
    path = settings.sqlite_path
    if path is None:
        return []
    named = [path, *(path.with_name(path.name + suffix) for suffix in _SUFFIXES)]
    return [file for file in named if file.exists()]


def modes(settings: Settings, config: Path | None) -> list[DoctorFinding]:
    """Check that other users cannot access database, key ring and settings, nor write to their folders."""
    private = [settings.keys_path, *of_database(settings), *(settings.data / name for name in _CREDENTIALS)]
    private += [config] if config is not None else []
    findings = [*_readable(private), *_writable([settings.data, settings.keys_path.parent])]
    return findings or [ok("files", "other users cannot access the database, the key ring or the settings")]


def _readable(paths: list[Path]) -> Iterator[DoctorFinding]:
    for path in paths:
        mode = _mode(path)
        if mode is not None and mode & _ACCESS_BY_OTHERS:
            yield problem(
                "files", f"{path} is accessible to other users (mode {mode:o})", f"Run: chmod 600 {path}"
            )


def _writable(folders: list[Path]) -> Iterator[DoctorFinding]:
    for folder in dict.fromkeys(folders):
        mode = _mode(folder)
        if mode is not None and mode & _WRITABLE_BY_OTHERS:
            text = f"{folder} is writable by other users (mode {mode:o})"
            yield problem("files", text, f"Run: chmod 700 {folder}")


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        return None


def space(settings: Settings) -> list[DoctorFinding]:
    """Check the free space on the disk of the SQLite database."""
    path = settings.sqlite_path
    if path is None or not path.parent.exists():
        return []
    usage = shutil.disk_usage(path.parent)
    text = f"{usage.free >> 20:,} MiB free on the disk of the database"
    if usage.free < _LOW_BYTES and usage.free < usage.total * _LOW_SHARE:
        return [
            warning(
                "disk",
                text,
                "Free disk space. With a full disk, every enrollment and every sign-in with a code fails.",
            )
        ]
    return [ok("disk", text)]


def integrity(settings: Settings) -> list[DoctorFinding]:
    """Run SQLite's integrity check."""
    path = settings.sqlite_path
    if path is None:
        return []
    try:
        result = connection.integrity(path)
    except errors.AuthfactorError as error:
        return [problem("integrity", error.message, "Restore a backup: authfactor restore FILE")]
    if result != "ok":
        return [
            problem(
                "integrity",
                f"the database file is damaged: {result}",
                "Restore a backup: authfactor restore FILE",
            )
        ]
    size = sum(file.stat().st_size for file in of_database(settings))
    return [ok("integrity", f"the database file is sound ({size >> 20:,} MiB)")]
