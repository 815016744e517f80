"""The key ring from a command: accepted output, the time limit, and error messages."""

import base64
import time
from pathlib import Path

import pytest

from authfactor.crypto import keyring
from authfactor.crypto.keyring import CommandSource, FileSource, KeyRingUnusable, source_of
from authfactor.crypto.vault import key_of
from authfactor.settings import InvalidSetting, Settings

FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))
LINES = [base64.b64encode(secret).decode() for secret in (FIRST, SECOND)]


def script(folder: Path, text: str) -> str:
    path = folder / "key command"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return f"'{path}' 'an argument'"


def test_key_ring_is_read_from_the_command_output(tmp_path: Path) -> None:
    source = CommandSource(
        script(tmp_path, f"[ \"$1\" = 'an argument' ] && printf '# ring\\n{LINES[0]}\\n{LINES[1]}\\n'"), 5
    )
    assert source.read() == [key_of(FIRST), key_of(SECOND)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exit 3", "exit code 3: no error output"),
        ("echo first >&2; echo 'no such key' >&2; exit 1", "exit code 1: no such key"),
        ("true", "printed no key ring"),
        (f"echo {LINES[0]}; echo c2hvcnQ=", "Line 2 of the ring printed by the key command is not a"),
        ("printf '\\377'", "printed no key ring"),
        ("head -c 70000 /dev/zero | tr '\\0' '#'", "printed no key ring"),
        ("echo '# nothing'", "The ring printed by the key command holds no key"),
    ],
)
def test_command_failure_is_one_line_without_the_output(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(KeyRingUnusable, match=message) as failed:
        CommandSource(script(tmp_path, text), 5).read()
    assert "\n" not in str(failed.value)
    assert LINES[0] not in str(failed.value)


def test_command_over_its_time_limit_is_killed_with_its_children(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(KeyRingUnusable, match="did not end within 1 s"):
        CommandSource(script(tmp_path, "sleep 30 & sleep 30; wait"), 1).read()
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("command", ["/nowhere/at/all", "'unbalanced", " "])
def test_command_that_cannot_be_started_is_reported(command: str) -> None:
    with pytest.raises(KeyRingUnusable, match="cannot be started"):
        CommandSource(command, 1).read()


def test_command_source_refuses_to_add_or_remove_keys(tmp_path: Path) -> None:
    source = CommandSource(script(tmp_path, f"echo {LINES[0]}"), 5)
    with pytest.raises(KeyRingUnusable, match="add a key there"):
        source.add(bytes)
    with pytest.raises(KeyRingUnusable, match="still prints"):
        source.remove(key_of(FIRST).id)
    assert source.remove("ffffff") == [key_of(FIRST)]


def test_keys_are_added_to_and_removed_from_a_file(tmp_path: Path) -> None:
    source = FileSource(tmp_path / "keys")
    first = source.create(lambda _: FIRST)[0]
    assert source.add(lambda _: SECOND) == [key_of(FIRST), key_of(SECOND)]
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").read_text().startswith("# authfactor key ring")
    with pytest.raises(KeyRingUnusable, match="newest"):
        source.remove(key_of(SECOND).id)
    assert source.remove(first.id) == [key_of(SECOND)] == keyring.read(tmp_path / "keys")
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_settings_select_a_file_or_command_source(tmp_path: Path) -> None:
    assert isinstance(source_of(Settings(data=tmp_path)), FileSource)
    assert isinstance(source_of(Settings(key_command="x")), CommandSource)
    with pytest.raises(InvalidSetting, match="exclude each other"):
        Settings(keys="a", key_command="b")
