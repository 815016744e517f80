"""Progress: one bar on a terminal that fits in its line, nothing with --json or in a file."""

import codecs
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from authfactor import Client
from authfactor.cli import progress
from tests.support.server_process import clean_environment

WAIT_SECONDS: Final = 20
# Draws the bar before the command goes on, so that a fast command shows it too.
AT_ONCE: Final = """
from authfactor.cli import main, progress
progress.DELAY_SECONDS = 0
begin = progress._Bar.__init__
def begin_drawn(self, step):
    begin(self, step)
    self._timer.join()
progress._Bar.__init__ = begin_drawn
main()
"""
ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ERASE: Final = "\x1b[2K"


class Screen:
    """A terminal of the given width whose other end a program writes to."""

    def __init__(self, columns: int) -> None:
        self._main, self.terminal = os.openpty()
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.columns = columns
        self.output = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def read(self, text: str = "") -> None:
        """Read what has been written, until `text` is there."""
        end = time.monotonic() + WAIT_SECONDS
        while select.select([self._main], [], [], 0.02)[0] or text not in self.output:
            assert time.monotonic() < end, f"'{text}' is not in {self.output!r}"
            if select.select([self._main], [], [], 0)[0]:
                self.output += self._decoder.decode(os.read(self._main, 65_536))

    def lines(self) -> list[str]:
        """Return the lines that were drawn, one over the other."""
        return [line for line in re.split(r"[\r\n]+", ESCAPES.sub("", self.output)) if line.strip()]

    def assert_one_line_at_a_time(self) -> None:
        assert all(len(line) <= self.columns for line in self.lines()), self.lines()
        # To redraw a second line, the cursor moves up after erasing it.
        assert f"{ERASE}\x1b[1A" not in self.output, self.output
        assert self.output.rstrip("\r\n").endswith(ERASE), "the bar is not removed"

    def close(self) -> None:
        os.close(self._main)
        os.close(self.terminal)


@contextmanager
def screen(columns: int) -> Iterator[Screen]:
    opened = Screen(columns)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def own_screen(columns: int) -> Iterator[Screen]:
    """Make standard error of this process a terminal, with the bar at once.

    No fixture: pytest sets standard error again before the test.
    """
    with (
        screen(columns) as opened,
        os.fdopen(os.dup(opened.terminal), "w") as stderr,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("TERM", "xterm")
        patch.setattr(progress, "DELAY_SECONDS", 0)
        patch.setattr(sys, "stderr", stderr)
        yield opened


@pytest.mark.parametrize("columns", [30, 100])
def test_one_bar_names_the_current_step(columns: int) -> None:
    with own_screen(columns) as shown:
        with progress.bar("opening", silent=False) as report:
            shown.read("opening")
            report("copying users", 1, 4)
            shown.read("25 %")
            report("copying a_table_with_a_very_long_name", 5000)
            shown.read("5,000")
            report("verifying users", 4, 4)
            shown.read("100 %")
        shown.read()

    shown.assert_one_line_at_a_time()
    drawn = shown.lines()
    assert any("copying use" in line for line in drawn)
    assert not any("opening" in line and "copying" in line for line in drawn)
    if columns == 30:
        assert any("copying a_tabl…" in line for line in drawn), drawn


def test_a_fast_command_draws_nothing() -> None:
    with own_screen(80) as shown:
        progress.DELAY_SECONDS = 60
        with progress.bar("opening", silent=False) as report:
            report("copying", 1, 2)
        shown.read()
    assert shown.output == ""


def test_a_bar_that_ends_while_it_is_made_is_not_drawn() -> None:
    with own_screen(80) as shown:
        progress.DELAY_SECONDS = 60
        made = progress._Bar("opening")
        made.close()
        made._show()
        shown.read()
    assert shown.output == ""


def test_what_a_command_prints_stays_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with own_screen(80) as shown:
        with progress.bar("opening", silent=False):
            shown.read("opening")
            sys.stdout.write("a result\n")
        shown.read()
    assert capsys.readouterr().out == "a result\n"
    assert "a result" not in shown.output


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("progress") / "data"
    with Client(data=folder) as client:
        user = client.user_management.create_user(email="kim@example.org")
        client.user_management.enroll_auth_factor(user_id=user.id)
    return folder


COMMANDS: Final = {
    "backup": ("backup", "{new}/backup"),
    "restore": ("restore", "--check", "{new}/kept"),
    "verify": ("audit", "verify"),
    "verify a file": ("audit", "verify", "--file", "{new}/export"),
    "export": ("audit", "export"),
    "status": ("vault", "status"),
    "rotate": ("vault", "rotate", "--wait", "1"),
    "migrate": ("migrate",),
    "check": ("migrate", "--check"),
    "doctor": ("doctor",),
    "copy": ("copy", "--from", "sqlite:///{data}/authfactor.db", "--to", "sqlite:///{new}/copy.db"),
    "list": ("users", "list"),
}
LAST_STEP: Final = {
    "backup": "verifying",
    "restore": "checking every secret",
    "verify": "entries",
    "verify a file": "entries",
    "export": "entries",
    "status": "counting the secrets",
    "rotate": "re-encrypting",
    "migrate": "upgrading the schema",
    "check": "reading the schema",
    "doctor": "examining the installation",
    "copy": "verifying",
    "list": "opening the database",
}


def start(name: str, data: Path, new: Path, stderr: int, *options: str) -> "subprocess.Popen[bytes]":
    """Start a command with its standard error at a descriptor, and the bar at once."""
    words = [word.format(data=data, new=new) for word in COMMANDS[name]]
    environment = clean_environment(TERM="xterm", NO_COLOR="1")
    environment.pop("COLUMNS", None)
    return subprocess.Popen(
        [sys.executable, "-c", AT_ONCE, "--data", str(data), *options, *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )


def run_on(opened: Screen, name: str, data: Path, new: Path, *options: str) -> None:
    """Run a command on a screen, and read all that it draws: the terminal's buffer is small."""
    with start(name, data, new, opened.terminal, *options) as process:
        while process.poll() is None:
            opened.read()
        opened.read()
    assert process.returncode in {0, 8}, opened.output


@pytest.fixture
def new(tmp_path: Path, data: Path) -> Path:
    """Return a folder with the files that the commands read."""
    for name, words in (("kept", ("backup", "{new}/kept")), ("export", ("audit", "export"))):
        filled = [word.format(new=tmp_path) for word in words]
        done = subprocess.run(
            [sys.executable, "-m", "authfactor", "--data", str(data), *filled],
            env=clean_environment(),
            capture_output=True,
            check=True,
            timeout=50,
        )
        if name == "export":
            (tmp_path / name).write_bytes(done.stdout)
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_that_may_take_seconds_show_a_bar_on_a_small_terminal(
    data: Path, new: Path, name: str
) -> None:
    with screen(40) as opened:
        run_on(opened, name, data, new)
    assert LAST_STEP[name][:18] in ESCAPES.sub("", opened.output), opened.output
    opened.assert_one_line_at_a_time()


@pytest.mark.parametrize("name", COMMANDS)
def test_no_bar_with_json_or_where_standard_error_is_a_file(data: Path, new: Path, name: str) -> None:
    with screen(40) as opened:
        run_on(opened, name, data, new, "--json")
    assert opened.output == ""
    for file in new.iterdir():
        if file.name not in {"kept", "export"}:
            file.unlink()
    with (new / "stderr").open("w+") as stderr:
        assert start(name, data, new, stderr.fileno()).wait(50) in {0, 8}
        stderr.seek(0)
        assert stderr.read() == ""
