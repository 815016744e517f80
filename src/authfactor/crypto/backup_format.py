"""The backup file format: encrypted in chunks that cannot be read, changed, reordered or truncated.

A header line names the ring key's id, a salt and the creation time (epoch milliseconds). HKDF derives a
file-specific key from ring key and salt. Chunks follow, each a length (4 bytes, big-endian) and AES-256-GCM
over at most 1 MiB. The nonce holds the chunk's number and whether it is the last; the header line is the
associated data of each (the STREAM construction, Hoang, Reyhanitabar, Rogaway and Vizár, 2015).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from authfactor.crypto.vault import KEY_BYTES, Key, UnknownKey
from authfactor.errors import Conflict

SALT_BYTES: Final = 16
CHUNK_BYTES: Final = 1 << 20
MAGIC: Final = b"authfactor backup 1"
_TAG_BYTES: Final = 16
_FIELDS: Final = 3
_MAX_HEADER_BYTES: Final = 128


class InvalidBackup(Conflict):
    """The file is not a backup, or is damaged or incomplete; the message says which."""

    def __init__(self, message: str) -> None:
        """Use the code `backup_unusable`."""
        super().__init__("backup_unusable", message)


class BackupHeader(NamedTuple):
    """The unencrypted header: the key's id, the salt (16 bytes), the creation time (epoch milliseconds)."""

    key_id: str
    salt: bytes
    created_at: int

    def line(self) -> bytes:
        """Return the file's first line."""
        return b"%s %s %s %d\n" % (MAGIC, self.key_id.encode(), self.salt.hex().encode(), self.created_at)


def read_header(source: BinaryIO) -> BackupHeader:
    """Read and parse the first line. Raises `InvalidBackup`."""
    line = source.readline(_MAX_HEADER_BYTES)
    words = line.removeprefix(MAGIC).decode("ascii", "replace").split()
    if not line.startswith(MAGIC + b" ") or len(words) != _FIELDS:
        raise InvalidBackup("The file is not a backup made by authfactor backup.")
    try:
        header = BackupHeader(words[0], bytes.fromhex(words[1]), int(words[2]))
    except ValueError as error:
        raise _damaged() from error
    if header.line() != line:
        raise _damaged()
    return header


def write(
    source: BinaryIO,
    target: BinaryIO,
    key: Key,
    header: BackupHeader,
    on_chunk: Callable[[int], object] = bool,
) -> None:
    """Encrypt the rest of `source` into `target`; `on_chunk` is called with each chunk's plaintext size."""
    line = header.line()
    target.write(line)
    cipher = _cipher(key, header.salt)
    number, chunk = 0, source.read(CHUNK_BYTES)
    last = False
    while not last:
        following = source.read(CHUNK_BYTES)
        last = not following
        sealed = cipher.encrypt(_nonce(number, last=last), chunk, line)
        target.write(len(sealed).to_bytes(4, "big") + sealed)
        on_chunk(len(chunk))
        number, chunk = number + 1, following


class ChunkWriter:
    """Encrypts what it is given, in parts of any size, in the same format as `write`."""

    def __init__(self, target: BinaryIO, key: Key, header: BackupHeader) -> None:
        """Write the header."""
        self._target = target
        self._line = header.line()
        self._cipher = _cipher(key, header.salt)
        self._number = 0
        self._buffer = b""
        target.write(self._line)

    def write(self, content: bytes) -> None:
        """Add content; its last part is kept until `close`, as the last chunk is marked."""
        self._buffer += content
        while len(self._buffer) > CHUNK_BYTES:
            self._seal(self._buffer[:CHUNK_BYTES], last=False)
            self._buffer = self._buffer[CHUNK_BYTES:]

    def close(self) -> None:
        """Write the last chunk. Without it, the file is incomplete and is refused."""
        self._seal(self._buffer, last=True)

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._number, last=last), chunk, self._line)
        self._target.write(len(sealed).to_bytes(4, "big") + sealed)
        self._number += 1


def read(source: BinaryIO, ring: Iterable[Key]) -> tuple[BackupHeader, Iterator[bytes]]:
    """Return the header and an iterator over the decrypted chunks.

    Raises `InvalidBackup`, and `vault.UnknownKey` when the key is not on the ring. The iterator also raises
    `InvalidBackup`; everything it has yielded must then be discarded.
    """
    header = read_header(source)
    key = next((key for key in ring if key.id == header.key_id), None)
    if key is None:
        raise _BackupKeyMissing(header.key_id)
    return header, _chunks(source, _cipher(key, header.salt), header.line())


class _BackupKeyMissing(UnknownKey):
    def __init__(self, key_id: str) -> None:
        super().__init__(key_id)
        text = f"The backup was encrypted with the key '{key_id}', which is not on the key ring."
        self.args = (f"{text} Use the key ring from the time of the backup.",)


def _chunks(source: BinaryIO, cipher: AESGCM, line: bytes) -> Iterator[bytes]:
    number, length = 0, source.read(4)
    last = False
    while not last:
        size = int.from_bytes(length, "big")
        if not _TAG_BYTES <= size <= CHUNK_BYTES + _TAG_BYTES:
            raise _damaged()
        sealed, length = source.read(size), source.read(4)
        if len(sealed) != size:
            raise _damaged()
        last = not length
        try:
            yield cipher.decrypt(_nonce(number, last=last), sealed, line)
        except (InvalidTag, ValueError) as error:
            raise _damaged() from error
        number += 1


def _damaged() -> InvalidBackup:
    return InvalidBackup("The backup is damaged or incomplete.")


def _cipher(key: Key, salt: bytes) -> AESGCM:
    derived = HKDF(hashes.SHA256(), KEY_BYTES, salt, b"authfactor backup")
    return AESGCM(derived.derive(key.secret))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
