"""A key ring that cannot be changed: each failure is one `KeyRingUnusable`, and the ring stays as it was."""

import base64
import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from authfactor.crypto.keyring import CommandSource, FileSource, KeyRingUnusable
from authfactor.crypto.vault import key_of

FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))


def test_a_missing_folder_is_reported_with_the_reason(tmp_path: Path) -> None:
    source = FileSource(tmp_path / "missing" / "keys")
    with pytest.raises(KeyRingUnusable, match=r"keys cannot be changed: No such file or directory\."):
        source.add(lambda _: SECOND)


def test_a_full_disk_leaves_the_ring_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = FileSource(tmp_path / "keys")
    source.create(lambda _: FIRST)
    before = (tmp_path / "keys").read_bytes()

    def replace(_draft: str, _target: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyRingUnusable, match=r"cannot be changed: No space left on device\."):
        source.add(lambda _: SECOND)

    assert [path.name for path in tmp_path.iterdir()] == ["keys"]
    assert (tmp_path / "keys").read_bytes() == before


def test_a_ring_from_a_command_always_exists_and_is_never_created() -> None:
    source = CommandSource(f"echo {base64.b64encode(FIRST).decode()}", 5)

    assert source.exists()
    assert source.create(lambda _: SECOND) == [key_of(FIRST)]
