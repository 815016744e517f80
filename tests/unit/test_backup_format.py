"""The form of backup files: whole and unchanged, or refused."""

import io

import pytest

from authfactor.crypto import backup_format
from authfactor.crypto.backup_format import CHUNK_BYTES, InvalidBackup
from authfactor.crypto.vault import Key, UnknownKey, key_of

KEY, OTHER = key_of(bytes(range(32))), key_of(bytes(range(1, 33)))
HEAD = backup_format.BackupHeader(KEY.id, bytes(16), 1_700_000_000_000)


def written(content: bytes, head: backup_format.BackupHeader = HEAD) -> bytes:
    target = io.BytesIO()
    backup_format.write(io.BytesIO(content), target, KEY, head)
    return target.getvalue()


def read(file: bytes, *ring: Key) -> bytes:
    return b"".join(backup_format.read(io.BytesIO(file), ring or (OTHER, KEY))[1])


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_what_was_written_is_read(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    assert read(written(content[:size])) == content[:size]


def test_nothing_of_the_content_can_be_seen() -> None:
    assert b"SQLite format 3" not in written(b"SQLite format 3" * 100)


def test_every_flipped_byte_is_noticed() -> None:
    file = written(b"content")
    for at in range(len(file)):
        with pytest.raises((InvalidBackup, UnknownKey)):
            read(file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :])


def test_a_file_that_ends_early_is_noticed_at_any_place() -> None:
    file = written(bytes(CHUNK_BYTES + 5))
    first = file.index(b"\n") + 1 + 4 + CHUNK_BYTES + 16
    # At the border of two chunks each of them is whole.
    for end in (0, 10, 60, first - 1, first, first + 3, first + 4, len(file) - 1):
        with pytest.raises(InvalidBackup):
            read(file[:end])


def test_chunks_cannot_change_places_or_be_added() -> None:
    file = written(b"a" * CHUNK_BYTES + b"b" * CHUNK_BYTES + b"c")
    start = file.index(b"\n") + 1
    size = 4 + CHUNK_BYTES + 16
    one, two = file[start : start + size], file[start + size : start + 2 * size]
    for forged in (file[:start] + two + one + file[start + 2 * size :], file + one, file[:start] + two):
        with pytest.raises(InvalidBackup, match="damaged or incomplete"):
            read(forged)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(UnknownKey, match=f"encrypted with the key '{KEY.id}', which is not on the key ring"):
        read(written(b"content"), OTHER)


@pytest.mark.parametrize("file", [b"", b"\n", b"SQLite format 3\0" * 20, b"authfactor backup 2 aaaaaa 00\n"])
def test_another_file_is_no_backup(file: bytes) -> None:
    with pytest.raises(InvalidBackup, match="not a backup made by authfactor backup"):
        read(file)


def test_what_the_first_line_says_cannot_be_changed() -> None:
    file = written(b"content")
    with pytest.raises(InvalidBackup, match="damaged"):
        read(file.replace(b"1700000000000", b"1700000000001"))


def test_two_backups_of_one_content_have_nothing_in_common() -> None:
    one, other = written(bytes(1000)), written(bytes(1000), HEAD._replace(salt=bytes([1] * 16)))
    assert one[one.index(b"\n") + 5 :][:64] != other[other.index(b"\n") + 5 :][:64]


def test_chunks_of_another_backup_do_not_fit() -> None:
    other = HEAD._replace(created_at=HEAD.created_at + 1)
    body = written(b"content", other).partition(b"\n")[2]
    with pytest.raises(InvalidBackup, match="damaged"):
        read(HEAD.line() + body)
