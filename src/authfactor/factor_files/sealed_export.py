"""Exports under a passphrase: a line that says how the key is derived, then the chunks of a backup."""

import io
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

from authfactor.crypto import backup_format
from authfactor.crypto.backup_format import BackupHeader, ChunkWriter, InvalidBackup
from authfactor.crypto.vault import Key, UnknownKey
from authfactor.factor_files import key_derivation
from authfactor.factor_files.entries import UnreadableFile

MAGIC: Final = b"authfactor export 1 scrypt "
SALT_BYTES: Final = backup_format.SALT_BYTES
# 128 MiB and a third of a second for each guess.
COST: Final = (1 << 17, 8, 1)
_KEY_ID: Final = "passphrase"
_MAX_LINE: Final = 128
_FIELDS: Final = 4


def writer(
    target: BinaryIO, passphrase: str, salt: bytes, now: int, cost: tuple[int, int, int] = COST
) -> ChunkWriter:
    """Begin an export, made at `now` (epoch milliseconds); `salt` is random and has `SALT_BYTES`."""
    key = key_derivation.scrypt(passphrase, salt, *cost)
    target.write(MAGIC + b"%d %d %d %s\n" % (*cost, salt.hex().encode()))
    return ChunkWriter(target, Key(_KEY_ID, key), BackupHeader(_KEY_ID, salt, now))


def opened(source: BinaryIO, passphrase: str | None) -> BinaryIO:
    """Return the content of an export, decrypted while it is read.

    Raises `UnreadableFile` and `PassphraseNeeded`; so does reading.
    """
    line = source.readline(_MAX_LINE)
    words = line.removeprefix(MAGIC).split()
    if not line.startswith(MAGIC) or not line.endswith(b"\n") or len(words) != _FIELDS:
        raise _damaged()
    try:
        cost, salt = [int(word) for word in words[:3]], bytes.fromhex(words[3].decode("ascii"))
    except ValueError as error:
        raise _damaged() from error
    key = key_derivation.scrypt(key_derivation.needed(passphrase), salt, *cost)
    try:
        _, chunks = backup_format.read(source, [Key(_KEY_ID, key)])
    except (InvalidBackup, UnknownKey) as error:
        raise _damaged() from error
    return cast("BinaryIO", io.BufferedReader(_Chunks(chunks), backup_format.CHUNK_BYTES))


def _damaged() -> UnreadableFile:
    return UnreadableFile("The export is damaged or incomplete.")


class _Chunks(io.RawIOBase):
    """A stream of the decrypted chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._left = b""
        self._is_first = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]  # what readers give
        while not self._left:
            try:
                self._left = next(self._chunks)
            except StopIteration:
                return 0
            except InvalidBackup as error:
                raise (key_derivation.wrong_passphrase() if self._is_first else _damaged()) from error
            self._is_first = False
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
