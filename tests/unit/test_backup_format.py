"""Backup files: read completely and unchanged, or refused."""

import io

import pytest

from authfactor.crypto import backup_format
from authfactor.crypto.backup_format import CHUNK_BYTES, InvalidBackup
from authfactor.crypto.vault import Key, UnknownKey, key_of

KEY, OTHER = key_of(bytes(range(32))), key_of(bytes(range(1, 33)))
HEADER = backup_format.BackupHeader(KEY.id, bytes(16), 1_700_000_000_000)


def backup_of(content: bytes, head: backup_format.BackupHeader = HEADER) -> bytes:
    target = io.BytesIO()
    backup_format.write(io.BytesIO(content), target, KEY, head)
    return target.getvalue()


def read(file: bytes, *ring: Key) -> bytes:
    return b"".join(backup_format.read(io.BytesIO(file), ring or (OTHER, KEY))[1])


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_backup_is_read_as_it_was_written(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    assert read(backup_of(content[:size])) == content[:size]


def test_backup_does_not_contain_the_plaintext() -> None:
    assert b"SQLite format 3" not in backup_of(b"SQLite format 3" * 100)


def test_any_changed_byte_is_detected() -> None:
    file = backup_of(b"content")
    for at in range(len(file)):
        with pytest.raises((InvalidBackup, UnknownKey)):
            read(file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :])


def test_truncated_backup_is_detected_at_any_length() -> None:
    file = backup_of(bytes(CHUNK_BYTES + 5))
    first = file.index(b"\n") + 1 + 4 + CHUNK_BYTES + 16
    # A file cut at a chunk boundary has only complete chunks.
    for end in (0, 10, 60, first - 1, first, first + 3, first + 4, len(file) - 1):
        with pytest.raises(InvalidBackup):
            read(file[:end])


def test_reordered_or_added_chunks_are_detected() -> None:
    file = backup_of(b"a" * CHUNK_BYTES + b"b" * CHUNK_BYTES + b"c")
    start = file.index(b"\n") + 1
    size = 4 + CHUNK_BYTES + 16
    one, two = file[start : start + size], file[start + size : start + 2 * size]
    for forged in (file[:start] + two + one + file[start + 2 * size :], file + one, file[:start] + two):
        with pytest.raises(InvalidBackup, match="damaged or incomplete"):
            read(forged)


def test_missing_key_is_named_in_the_error() -> None:
    with pytest.raises(UnknownKey, match=f"encrypted with the key '{KEY.id}', which is not on the key ring"):
        read(backup_of(b"content"), OTHER)


@pytest.mark.parametrize("file", [b"", b"\n", b"SQLite format 3\0" * 20, b"authfactor backup 2 aaaaaa 00\n"])
def test_file_that_is_not_a_backup_is_refused(file: bytes) -> None:
    with pytest.raises(InvalidBackup, match="not a backup made by authfactor backup"):
        read(file)


def test_changed_header_line_is_detected() -> None:
    file = backup_of(b"content")
    with pytest.raises(InvalidBackup, match="damaged"):
        read(file.replace(b"1700000000000", b"1700000000001"))


def test_backups_of_equal_content_have_different_ciphertext() -> None:
    one, other = backup_of(bytes(1000)), backup_of(bytes(1000), HEADER._replace(salt=bytes([1] * 16)))
    assert one[one.index(b"\n") + 5 :][:64] != other[other.index(b"\n") + 5 :][:64]


def test_chunks_of_another_backup_are_refused() -> None:
    other = HEADER._replace(created_at=HEADER.created_at + 1)
    body = backup_of(b"content", other).partition(b"\n")[2]
    with pytest.raises(InvalidBackup, match="damaged"):
        read(HEADER.line() + body)
