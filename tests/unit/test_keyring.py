"""The key ring file: permissions, content, and creation."""

import base64
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from authfactor.crypto import keyring
from authfactor.crypto.vault import Key, key_of

FIRST: Final = bytes(range(32))
SECOND: Final = bytes(range(32, 64))


def _line(secret: bytes) -> str:
    return base64.b64encode(secret).decode("ascii") + "\n"


def _written(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def test_new_ring_has_one_key_and_owner_only_permissions(tmp_path: Path) -> None:
    path = tmp_path / "data" / "keys"
    keys = keyring.create(path, lambda size: FIRST[:size])

    assert keys == [key_of(FIRST)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert keyring.read(path) == keys


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_file_mode_does_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    previous = os.umask(umask)
    try:
        keyring.create(tmp_path / "keys", bytes)
    finally:
        os.umask(previous)

    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


def test_new_file_starts_with_explanatory_comments(tmp_path: Path) -> None:
    keyring.create(tmp_path / "keys", bytes)
    lines = (tmp_path / "keys").read_text().splitlines()

    assert [line.startswith("#") for line in lines] == [True, True, False]
    assert "Back this file up" in lines[1]


def test_creating_a_ring_leaves_no_temporary_files(tmp_path: Path) -> None:
    keyring.create(tmp_path / "keys", bytes)
    keyring.create(tmp_path / "keys", bytes)

    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_an_existing_ring_is_never_replaced(tmp_path: Path) -> None:
    path = _written(tmp_path / "keys", _line(FIRST))

    assert keyring.create(path, lambda _: SECOND) == [key_of(FIRST)]
    assert path.read_text() == _line(FIRST)


def test_create_refuses_an_existing_ring_readable_by_others(tmp_path: Path) -> None:
    path = _written(tmp_path / "keys", _line(FIRST), 0o644)

    with pytest.raises(keyring.KeyRingUnusable, match="readable by others"):
        keyring.create(path, bytes)


def test_concurrent_creation_yields_one_shared_ring(tmp_path: Path) -> None:
    for attempt in range(20):
        path, threads = tmp_path / f"keys{attempt}", 8
        barrier = threading.Barrier(threads)

        def create(path: Path = path, barrier: threading.Barrier = barrier) -> list[Key]:
            barrier.wait()
            return keyring.create(path, os.urandom)

        with ThreadPoolExecutor(threads) as pool:
            rings = [future.result() for future in [pool.submit(create) for _ in range(threads)]]

        assert rings == [keyring.read(path)] * threads


def test_keys_are_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = _written(tmp_path / "keys", f"# old\n{_line(FIRST)}\n  \n#new\n  {_line(SECOND)}")

    assert keyring.read(path) == [key_of(FIRST), key_of(SECOND)]


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o644, 0o777])
def test_file_accessible_to_others_is_refused_with_advice(tmp_path: Path, mode: int) -> None:
    path = _written(tmp_path / "keys", _line(FIRST), mode)

    with pytest.raises(keyring.KeyRingUnusable, match=rf"mode {mode:o}\). Run: chmod 600 ") as caught:
        keyring.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_file_with_owner_only_permissions_is_read(tmp_path: Path, mode: int) -> None:
    assert keyring.read(_written(tmp_path / "keys", _line(FIRST), mode)) == [key_of(FIRST)]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_a_ring_without_a_key_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(keyring.KeyRingUnusable, match="holds no key"):
        keyring.read(_written(tmp_path / "keys", text))


@pytest.mark.parametrize(
    "line",
    [
        "not base64!",
        _line(bytes(31)),
        _line(bytes(33)),
        _line(bytes(16)),
        FIRST.hex(),
        _line(FIRST)[:-2],
        f"{_line(FIRST)[:10]}!{_line(FIRST)[10:]}",
        f"key: {_line(FIRST)}",
        "\u00fcber",
        "A" * 10_000,
    ],
)
def test_invalid_line_is_reported_by_number_without_its_text(tmp_path: Path, line: str) -> None:
    path = _written(tmp_path / "keys", f"{_line(SECOND)}{line}")

    with pytest.raises(
        keyring.KeyRingUnusable, match=r"Line 2 of the key ring .* is not a 32-byte key"
    ) as caught:
        keyring.read(path)
    assert line.strip() not in str(caught.value)


@pytest.mark.parametrize("garbage", [b"\xff\xfe\x00", bytes(range(128, 256)), b"\x80" + FIRST])
def test_file_that_is_not_text_is_refused(tmp_path: Path, garbage: bytes) -> None:
    with pytest.raises(keyring.KeyRingUnusable, match="is not a text file"):
        keyring.read(_written(tmp_path / "keys", garbage))


def test_a_repeated_key_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path / "keys", _line(FIRST) + _line(SECOND) + _line(FIRST))

    with pytest.raises(keyring.KeyRingUnusable, match=f"Line 3 .* repeats the key '{key_of(FIRST).id}'"):
        keyring.read(path)


def test_missing_file_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(keyring.KeyRingUnusable, match=r"keys cannot be read: No such file"):
        keyring.read(tmp_path / "keys")


def test_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(keyring.KeyRingUnusable, match="cannot be read"):
        keyring.read(tmp_path)


def test_file_that_cannot_be_created_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(keyring.KeyRingUnusable, match=r"keys cannot be created: "):
        keyring.create(tmp_path / "file" / "keys", bytes)
