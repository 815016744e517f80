"""The first line of a backup file: what does not parse is refused as damaged before any key is tried."""

import io

import pytest

from authfactor.crypto import backup_format
from authfactor.crypto.backup_format import BackupHeader, InvalidBackup
from authfactor.crypto.vault import key_of

KEY = key_of(bytes(range(32)))
LINE = BackupHeader(KEY.id, bytes(16), 1_700_000_000_000).line()


@pytest.mark.parametrize(
    ("valid", "damaged"),
    [
        (b"00" * 16, b"zz" * 16),
        (b" 1700000000000\n", b" yesterday\n"),
        (b" 1700000000000\n", b" 01700000000000\n"),
        (b" 1700000000000\n", b"  1700000000000\n"),
    ],
    ids=["salt is not hexadecimal", "time is not a number", "leading zero", "two spaces"],
)
def test_a_damaged_header_is_refused(valid: bytes, damaged: bytes) -> None:
    assert valid in LINE
    with pytest.raises(InvalidBackup, match="damaged"):
        backup_format.read(io.BytesIO(LINE.replace(valid, damaged)), [KEY])
