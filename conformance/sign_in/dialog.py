"""A person at a terminal: reads the key that a program prints, and types the codes that it asks for."""

import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from tests.support import authenticator

SECONDS: Final = 120
KEY: Final = re.compile(r"key: ([A-Z2-7]{16,})\s")
QUESTIONS: Final = ("code: ", "next code: ")
DONE: Final = re.compile(r"signed in: (user_\w+)\s")


class Failed(Exception):
    """The program did not sign the user in; the message has what it printed."""


def sign_in(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float = SECONDS
) -> str:
    """Run a program, answer its questions, and return the id of the signed-in user. Raises `Failed`."""
    end = time.monotonic() + seconds
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    ) as process:
        try:
            said, answered = _talk(process, end)
            code = process.wait(max(end - time.monotonic(), 1))
        except subprocess.TimeoutExpired as error:
            raise Failed(str(error)) from error
        finally:
            process.kill()
    done = DONE.search(said)
    if code != 0 or done is None or answered != len(QUESTIONS):
        raise Failed(f"exit code {code} after {answered} codes: {said}")
    return done.group(1)


def _talk(process: subprocess.Popen[bytes], end: float) -> tuple[str, int]:
    """Answer until the program closes its output or the time is over; return its output and the answers."""
    assert process.stdin is not None
    assert process.stdout is not None
    said, answered = "", 0
    while piece := _read(process.stdout, end):
        said += piece
        key = KEY.search(said)
        if key and answered < len(QUESTIONS) and said.endswith(QUESTIONS[answered]):
            # Each code is accepted once; that of the next step is in the server's window already.
            try:
                process.stdin.write(authenticator.code(key.group(1), ahead=answered).encode() + b"\n")
            except BrokenPipeError:
                break
            said += "\n"
            answered += 1
    return said, answered


def _read(output: IO[bytes], end: float) -> str:
    """Wait for output; empty when there will be none or the time is over."""
    readable, _, _ = select.select([output], [], [], max(end - time.monotonic(), 0))
    return output.read(65536).decode(errors="replace") if readable else ""
