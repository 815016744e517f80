"""The access log: formatted by hand, because a logging library would cost as much as the request itself.

Lines are buffered briefly and written together. All other messages go through `log_setup`; the fields here
are a fixed subset of `log_setup.FIELDS`.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TextIO

import msgspec

from authfactor.models import Clock

FLUSH_SECONDS: Final = 0.1
MAX_LINES: Final = 200
_MS_PER_SECOND: Final = 1000
_ADDRESS_CHARACTERS: Final = frozenset("0123456789abcdefABCDEF.:")

Writer = Callable[[str, str, int, str, int, str, int | None], None]


class RequestLog:
    """Writes the request lines of one process. Must be created and used in one event loop."""

    def __init__(self, clock: Clock, *, human: bool, worker: int, out: TextIO | None = None) -> None:
        """`human`: plain text instead of JSON. `worker`: this process's number. Default `out`: stderr."""
        self._clock = clock
        self._out = out or sys.stderr
        self._loop = asyncio.get_running_loop()
        self._lines: list[str] = []
        self._second = (0, "")
        self._worker = worker
        self._line_end = lru_cache(maxsize=256)(self._format_line_end)
        self.write: Final[Writer] = self._human if human else self._json

    def _json(
        self,
        request_id: str,
        route: str,
        status: int,
        outcome: str,
        microseconds: int,
        address: str,
        environment: int | None,
    ) -> None:
        # Only the address may need escaping; the other values are hexadecimal, route names and error codes.
        self._add(
            f'{{"time":"{self._now()}","level":"info","event":"request","request_id":"{request_id}",'
            f'"route":"{route}","status":{status},"outcome":"{outcome}","duration_ms":{microseconds / 1000}'
            f"{self._line_end(address, environment)}"
        )

    def _format_line_end(self, address: str, environment: int | None) -> str:
        """Format the part that repeats between lines (cached). A proxy can send any text as an address."""
        quoted = (
            f'"{address}"'
            if _ADDRESS_CHARACTERS.issuperset(address)
            else msgspec.json.encode(address).decode()
        )
        field = "" if environment is None else f',"environment":{environment}'
        return f',"address":{quoted}{field},"worker":{self._worker}}}\n'

    def _human(
        self,
        request_id: str,
        route: str,
        status: int,
        outcome: str,
        microseconds: int,
        address: str,
        _environment: int | None,
    ) -> None:
        code = "" if outcome == "ok" else f" {outcome}"
        client = address if address.isprintable() else ascii(address)
        self._add(
            f"{self._now()} {status}{code} {route} {microseconds / 1000:.1f} ms {client} {request_id}\n"
        )

    def flush(self) -> None:
        """Write the buffered lines. Sign-ins must not depend on the log.

        A server's stream never blocks and never fails (`log_stream`); one of a host application may fail.
        """
        if self._lines:
            with contextlib.suppress(OSError):
                self._out.write("".join(self._lines))
                self._out.flush()
            self._lines.clear()

    def _add(self, line: str) -> None:
        if not self._lines:
            self._loop.call_later(FLUSH_SECONDS, self.flush)
        self._lines.append(line)
        if len(self._lines) >= MAX_LINES:
            self.flush()

    def _now(self) -> str:
        now = self._clock()
        second = now // _MS_PER_SECOND
        if second != self._second[0]:
            self._second = (second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
        return f"{self._second[1]}.{now % _MS_PER_SECOND:03d}Z"
