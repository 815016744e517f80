"""The key ring: base64 keys, oldest first, in a file readable only by its owner or printed by a command.

Both are a `KeySource`. The command integrates a key management service: it unwraps the ring and prints it.
"""

import base64
import contextlib
import fcntl
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

from authfactor.crypto.vault import KEY_BYTES, Key, key_of
from authfactor.settings import Settings

_MAX_RING_BYTES: Final = 64 * 1024
_MAX_STDERR: Final = 200

_HEADER: Final = (
    "# authfactor key ring: one key per line, oldest first; the last one seals.\n"
    "# Losing a key loses every secret it sealed. Back this file up separately from the database.\n"
)


class KeyRingUnusable(ValueError):
    """The key ring cannot be used; the message says why and what to do."""


class KeyMissing(KeyRingUnusable):
    """A key that sealed values of this database need is missing."""

    def __init__(self, source: str, key_ids: list[str], *, ring_found: bool) -> None:
        """Name the keys; `source` describes the ring, `ring_found` is whether there is one at all."""
        names = ", ".join(f"'{key_id}'" for key_id in key_ids)
        keys = f"the key {names}" if len(key_ids) == 1 else f"the keys {names}"
        problem = f"lacks {keys} that this database needs"
        if not ring_found:
            problem = f"is missing, and this database needs {keys}"
        super().__init__(
            f"{source[0].upper()}{source[1:]} {problem}. Put it back from the backup of the key ring."
        )
        self.key_ids = tuple(key_ids)


def read(path: Path) -> list[Key]:
    """Read a ring file, oldest key first.

    Raises `KeyRingUnusable` when the file cannot be read, is accessible to others, or holds no valid keys.
    """
    try:
        mode = path.stat().st_mode & 0o777
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise KeyRingUnusable(f"The key ring {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise KeyRingUnusable(f"The key ring {path} is not a text file.") from error
    if mode & 0o077:
        raise KeyRingUnusable(
            f"The key ring {path} is readable by others (mode {mode:o}). Run: chmod 600 {path}"
        )
    return _parse(text, f"the key ring {path}")


def _parse(text: str, source: str) -> list[Key]:
    keys: dict[str, Key] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            key = _parse_key(line.strip(), f"Line {number} of {source}")
            if keys.setdefault(key.id, key) is not key:
                raise KeyRingUnusable(f"Line {number} of {source} repeats the key '{key.id}'.")
    if not keys:
        raise KeyRingUnusable(f"{source[0].upper()}{source[1:]} holds no key.")
    return list(keys.values())


class KeySource(Protocol):
    """Where the ring is read from and changed."""

    @property
    def description(self) -> str:
        """A noun phrase for messages, in lower case."""

    @property
    def recheck_seconds(self) -> int:
        """Interval in seconds at which a running server rereads the ring for added keys."""

    def exists(self) -> bool:
        """Return whether there is a ring to read."""

    def read(self) -> list[Key]:
        """Read the ring. Raises `KeyRingUnusable`."""

    def create(self, entropy: Callable[[int], bytes]) -> list[Key]:
        """Create a ring if there is none. Raises `KeyRingUnusable`."""

    def add(self, entropy: Callable[[int], bytes]) -> list[Key]:
        """Add a new key, which seals from now on. Raises `KeyRingUnusable`."""

    def remove(self, key_id: str) -> list[Key]:
        """Remove a key, unless it is the newest. Raises `KeyRingUnusable`."""


class FileSource:
    """A ring in a file."""

    recheck_seconds = 1

    def __init__(self, path: Path) -> None:
        """Use the ring file at `path`."""
        self._path = path

    @property
    def description(self) -> str:
        """A noun phrase for messages."""
        return f"the key ring {self._path}"

    def exists(self) -> bool:
        """Return whether the file exists."""
        return self._path.exists()

    def read(self) -> list[Key]:
        """Read the file."""
        return read(self._path)

    def create(self, entropy: Callable[[int], bytes]) -> list[Key]:
        """Create the file with one key, unless it exists."""
        return create(self._path, entropy)

    def add(self, entropy: Callable[[int], bytes]) -> list[Key]:
        """Atomically replace the file with the ring and a new key at its end."""
        line = base64.b64encode(entropy(KEY_BYTES)).decode("ascii")
        with self._locked():
            read(self._path)
            text = self._path.read_text(encoding="utf-8")
            self._replace(f"{text if text.endswith(chr(10)) else text + chr(10)}{line}\n")
        return read(self._path)

    def remove(self, key_id: str) -> list[Key]:
        """Atomically replace the file with the ring without this key."""
        with self._locked():
            ring = read(self._path)
            if ring[-1].id == key_id:
                raise KeyRingUnusable(
                    f"The key '{key_id}' is the newest one, which seals; it cannot be removed."
                )
            removed = base64.b64encode(next((key.secret for key in ring if key.id == key_id), b"")).decode()
            lines = self._path.read_text(encoding="utf-8").splitlines()
            self._replace("".join(f"{line}\n" for line in lines if not removed or line.strip() != removed))
        return read(self._path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold an exclusive lock on the directory, so that no concurrent change is lost."""
        try:
            folder = os.open(self._path.parent, os.O_RDONLY)
        except OSError as error:
            raise self._unchangeable(error) from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _unchangeable(self, error: OSError) -> KeyRingUnusable:
        return KeyRingUnusable(f"The key ring {self._path} cannot be changed: {error.strerror}.")

    def _replace(self, text: str) -> None:
        try:
            _write_draft(self._path, text, os.replace)
        except OSError as error:
            raise self._unchangeable(error) from error


class CommandSource:
    """A ring printed by a command, such as the client of a key management service; run without a shell."""

    recheck_seconds = 60
    description = "the ring printed by the key command"

    def __init__(self, command: str, timeout_seconds: int) -> None:
        """Use this command line; it is killed after `timeout_seconds`."""
        self._command = command
        self._timeout_seconds = timeout_seconds

    def exists(self) -> bool:
        """Return True: a ring is never created in place of a command's."""
        return True

    def read(self) -> list[Key]:
        """Run the command and parse its output, which no error message repeats."""
        try:
            import shlex  # noqa: PLC0415 - for rings that come from a command

            arguments = shlex.split(self._command)
            process = subprocess.Popen(  # noqa: S603 - the operator's own command
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError, IndexError) as error:
            reason = getattr(error, "strerror", None) or error
            raise KeyRingUnusable(f"The key command cannot be started: {reason}.") from error
        try:
            stdout, stderr = process.communicate(timeout=self._timeout_seconds)
        except subprocess.TimeoutExpired as error:
            # The whole process group: the command's children would keep the pipe open.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise KeyRingUnusable(f"The key command did not end within {self._timeout_seconds} s.") from error
        if process.returncode:
            last_line = stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:_MAX_STDERR]
            raise KeyRingUnusable(
                f"The key command ended with exit code {process.returncode}: {last_line or 'no error output'}"
            )
        try:
            text = stdout.decode("ascii")
        except UnicodeDecodeError:
            text = ""
        if not text or len(text) > _MAX_RING_BYTES:
            raise KeyRingUnusable("The key command printed no key ring: expected one base64 key per line.")
        return _parse(text, self.description)

    def create(self, _entropy: Callable[[int], bytes]) -> list[Key]:
        """Read the ring: one printed by a command is created in the key service, not here."""
        return self.read()

    def add(self, _entropy: Callable[[int], bytes]) -> list[Key]:
        """Raise `KeyRingUnusable`: keys are added in the key service."""
        raise KeyRingUnusable(
            "The key ring comes from a command: add a key there, as the last line it prints, and run this"
            " again."
        )

    def remove(self, key_id: str) -> list[Key]:
        """Check that the command no longer prints the key."""
        ring = self.read()
        if any(key.id == key_id for key in ring):
            raise KeyRingUnusable(f"The key command still prints the key '{key_id}': remove it there first.")
        return ring


def source_of(settings: Settings) -> KeySource:
    """Return the source that the settings configure."""
    if settings.key_command:
        return CommandSource(settings.key_command, settings.key_command_timeout)
    return FileSource(settings.keys_path)


def create(path: Path, entropy: Callable[[int], bytes]) -> list[Key]:
    """Create a ring file with one new key, unless it exists; return the ring in the file.

    Raises `KeyRingUnusable` when the file cannot be created.
    """
    line = base64.b64encode(entropy(KEY_BYTES)).decode("ascii")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create_file(path, f"{_HEADER}{line}\n")
    except OSError as error:
        raise KeyRingUnusable(f"The key ring {path} cannot be created: {error.strerror}.") from error
    return read(path)


def _parse_key(line: str, source: str) -> Key:
    try:
        return key_of(base64.b64decode(line, validate=True))
    except ValueError as error:
        raise KeyRingUnusable(f"{source} is not a {KEY_BYTES}-byte key in base64.") from error


def _create_file(path: Path, text: str) -> None:
    """Write a draft and hard-link it, so that a concurrent start reads the complete file or none."""

    def link(draft: str, target: Path) -> None:
        with contextlib.suppress(FileExistsError):
            os.link(draft, target)

    _write_draft(path, text, link)


def _write_draft(path: Path, text: str, publish: Callable[[str, Path], None]) -> None:
    # mkstemp: mode 600 and a unique name (process ids repeat among containers that share a volume).
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".new")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        publish(draft, path)
    finally:
        Path(draft).unlink(missing_ok=True)
    # The key is durable only once the directory entry is.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
