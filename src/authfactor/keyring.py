"""The key ring: a file of base64 keys, oldest first, that only its owner may read."""

import base64
import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from authfactor.vault import KEY_BYTES, Key, key_of

_HEADER: Final = (
    "# authfactor key ring: one key a line, oldest first; the last one seals.\n"
    "# Losing a key loses every secret it sealed. Back this file up, apart from the database.\n"
)


class KeyRingUnusable(ValueError):
    """The key ring cannot be used; the message says why and what to do."""


def read(path: Path) -> list[Key]:
    """Read the ring.

    Raises `KeyRingUnusable` when the file cannot be read, is open to others, or holds no proper keys.
    """
    try:
        mode = path.stat().st_mode & 0o777
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise KeyRingUnusable(f"The key ring {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise KeyRingUnusable(f"The key ring {path} is no text file.") from error
    if mode & 0o077:
        raise KeyRingUnusable(
            f"The key ring {path} is readable by others (mode {mode:o}). Run: chmod 600 {path}"
        )
    keys: dict[str, Key] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            key = _key(line.strip(), f"Line {number} of the key ring {path}")
            if keys.setdefault(key.id, key) is not key:
                raise KeyRingUnusable(f"Line {number} of the key ring {path} repeats the key '{key.id}'.")
    if not keys:
        raise KeyRingUnusable(f"The key ring {path} holds no key.")
    return list(keys.values())


def create(path: Path, entropy: Callable[[int], bytes]) -> list[Key]:
    """Make a ring with one new key, unless the file exists; return what the file then holds.

    Raises `KeyRingUnusable` when the file cannot be made.
    """
    line = base64.b64encode(entropy(KEY_BYTES)).decode("ascii")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _put_in_place(path, f"{_HEADER}{line}\n")
    except OSError as error:
        raise KeyRingUnusable(f"The key ring {path} cannot be made: {error.strerror}.") from error
    return read(path)


def _key(line: str, shown: str) -> Key:
    try:
        return key_of(base64.b64decode(line, validate=True))
    except ValueError as error:
        raise KeyRingUnusable(f"{shown} is no key of {KEY_BYTES} bytes.") from error


def _put_in_place(path: Path, text: str) -> None:
    """Write beside and link into place, so that another start reads the file whole or not at all."""
    # mkstemp: mode 600 and a name of its own (process ids repeat among containers that share a volume).
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".new")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
    # A key is durable only when its name in the folder is.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
