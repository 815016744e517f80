"""The key ring: a file of base64 keys, oldest first, that only its owner may read."""

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from authfactor.vault import KEY_BYTES, Key, key_of

OWNER_ONLY: Final = 0o600
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
        text = path.read_text()
    except OSError as error:
        raise KeyRingUnusable(f"The key ring {path} cannot be read: {error.strerror}.") from error
    if mode & 0o077:
        raise KeyRingUnusable(
            f"The key ring {path} is readable by others (mode {mode:o}). Run: chmod 600 {path}"
        )
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            try:
                keys.append(key_of(base64.b64decode(line.strip(), validate=True)))
            except ValueError as error:
                text = f"Line {number} of the key ring {path} is no key of {KEY_BYTES} bytes."
                raise KeyRingUnusable(text) from error
    if not keys:
        raise KeyRingUnusable(f"The key ring {path} holds no key.")
    return keys


def create(path: Path, entropy: Callable[[int], bytes]) -> list[Key]:
    """Make a ring with one new key, unless the file exists; return what the file then holds."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = base64.b64encode(entropy(KEY_BYTES)).decode("ascii")
    # Written beside and linked into place: a process that starts at the same moment reads a whole file or none.
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{_HEADER}{line}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
    return read(path)
