"""The log of a server never blocks it: what does not fit is dropped and counted, and the rest stays whole."""

import io
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import TextIO, cast

import pytest

from authfactor.http.telemetry import log_setup, log_stream
from authfactor.http.telemetry.log_stream import LogStream
from authfactor.settings import Settings

LINE = "x" * 199 + "\n"
# Twice what a stream and a pipe hold.
MANY = 2 * log_stream.MAX_QUEUED // len(LINE)


class Pipe:
    """A pipe with a text stream at its writing end, read in a thread once `resume` is called."""

    def __init__(self) -> None:
        self._reading_end, self.writing_end = os.pipe()
        self.stream = io.TextIOWrapper(io.FileIO(self.writing_end, "wb"), encoding="utf-8")
        self._received: list[bytes] = []
        self._thread = threading.Thread(target=self._read, daemon=True)

    def resume(self) -> None:
        self._thread.start()

    def received(self) -> str:
        """Close the writing end, and return what was read."""
        self.stream.close()
        if self._thread.ident is None:
            self.resume()
        self._thread.join()
        return b"".join(self._received).decode()

    def close(self) -> None:
        self.received()
        os.close(self._reading_end)

    def _read(self) -> None:
        while data := os.read(self._reading_end, 65536):
            self._received.append(data)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    opened = Pipe()
    yield opened
    opened.close()


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("authfactor").setLevel(logging.NOTSET)


@pytest.mark.timeout(30)
def test_stalled_reader_blocks_no_write_and_dropped_lines_are_counted(pipe: Pipe) -> None:
    stream = LogStream(pipe.stream)
    for _ in range(MANY):
        stream.write(LINE)
    stream.drain(0.01)
    assert 0 < stream.dropped < MANY
    pipe.resume()
    stream.drain(20)
    assert pipe.received().count(LINE) == MANY - stream.dropped


@pytest.mark.timeout(30)
def test_exceptions_logged_beside_a_stalled_reader_block_nothing(
    pipe: Pipe, root_logger: logging.Logger
) -> None:
    stream = LogStream(pipe.stream)
    log_setup.set_up(Settings(log_format="json"), cast("TextIO", stream))
    log = logging.getLogger("authfactor.http")
    try:
        int("no number")
    except ValueError:
        for _ in range(4000):
            log.exception("unexpected failure")
    assert stream.dropped > 0
    pipe.resume()
    stream.drain(20)
    lines = [json.loads(line) for line in pipe.received().splitlines()]
    written = [line for line in lines if line["event"] == "unexpected failure"]
    # Exactly where the lines are missing, and how many.
    assert lines[-1]["event"] == f"the log could not be written: {4000 - len(written)} lines were dropped"
    assert len(lines) == len(written) + 1


@pytest.mark.timeout(30)
def test_lines_keep_their_order_and_are_all_written(pipe: Pipe) -> None:
    stream = LogStream(pipe.stream)
    pipe.resume()
    for number in range(3000):
        stream.write(f"{number}\n")
    stream.drain(20)
    assert pipe.received().split() == [str(number) for number in range(3000)]
    assert stream.dropped == 0


@pytest.mark.timeout(60)
def test_lines_of_two_processes_on_one_stalled_pipe_are_not_mixed(pipe: Pipe) -> None:
    streams = [LogStream(pipe.stream), LogStream(pipe.stream)]
    for _ in range(MANY // 4):
        for name, stream in zip("ab", streams, strict=True):
            stream.write(name * 199 + "\n")
    pipe.resume()
    for stream in streams:
        stream.drain(20)
    assert set(pipe.received().splitlines()) == {"a" * 199, "b" * 199}


@pytest.mark.timeout(30)
def test_draining_beside_a_stalled_reader_ends(pipe: Pipe) -> None:
    stream = LogStream(pipe.stream)
    for _ in range(1000):
        stream.write(LINE)
    stream.drain(0.05)


@pytest.mark.timeout(30)
def test_forked_process_does_not_write_what_its_parent_had_queued(pipe: Pipe) -> None:
    stream = LogStream(pipe.stream)
    for number in range(1000):
        stream.write(f"parent {number} {LINE}")
    child = os.fork()
    if child == 0:
        stream.write("child\n")
        stream.drain(10)
        os._exit(0)
    pipe.resume()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stream.drain(20)
    lines = pipe.received().splitlines()
    assert len(lines) == 1001
    assert lines.count("child") == 1


def test_closed_reader_fails_no_write_and_its_lines_are_counted() -> None:
    reading_end, writing_end = os.pipe()
    os.close(reading_end)
    with open(writing_end, "w", encoding="utf-8") as closed:  # noqa: PTH123 - a descriptor
        stream = LogStream(closed)
        stream.write("one\ntwo\n")
        stream.drain(20)
        assert stream.dropped == 2


@pytest.mark.timeout(30)
def test_descriptor_that_another_process_made_non_blocking_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing_end, False)
    stream = LogStream(pipe.stream)
    for _ in range(1000):
        stream.write(LINE)
    pipe.resume()
    stream.drain(20)
    assert pipe.received() == LINE * 1000


@pytest.mark.timeout(30)
def test_line_longer_than_a_pipe_takes_atomically_is_written(pipe: Pipe) -> None:
    stream = LogStream(pipe.stream)
    pipe.resume()
    stream.write("a" * 10_000 + "\nb\nno end of line")
    stream.drain(20)
    assert pipe.received() == "a" * 10_000 + "\nb\nno end of line"


def test_without_a_new_thread_text_waits_for_the_next_write(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_body: Callable[..., object], _arguments: tuple[object, ...]) -> int:
        raise RuntimeError("can't start new thread")

    stream = LogStream(pipe.stream)
    with monkeypatch.context() as patch:
        patch.setattr("_thread.start_new_thread", refused)
        stream.write("one\n")
    stream.write("two\n")
    stream.drain(20)
    assert pipe.received() == "one\ntwo\n"


def test_stream_is_a_terminal_if_its_descriptor_is(pipe: Pipe) -> None:
    main, terminal = os.openpty()
    with open(terminal, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor
        assert LogStream(stream).isatty()
        assert LogStream(stream).fileno() == terminal
    os.close(main)
    assert not LogStream(pipe.stream).isatty()
    assert LogStream(pipe.stream).writable()
