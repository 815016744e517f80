"""The line of each request: written by hand, because a logging library would cost as much as the request.

Lines gather for a moment and go out together; `logs` says everything that is rare. The fields
are those of `logs.FIELDS` that a request has, so nothing else can get in.
"""

import asyncio
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TextIO

import msgspec

from authfactor.models import Clock

GATHER_SECONDS: Final = 0.1
MAX_LINES: Final = 200
_SECOND: Final = 1000
_PLAIN: Final = frozenset("0123456789abcdefABCDEF.:")

log = logging.getLogger("authfactor.http")

Writer = Callable[[str, str, int, str, int, str, int | None], None]


class RequestLog:
    """Writes the lines of one process. Belongs to the event loop that opened it."""

    def __init__(self, clock: Clock, *, people: bool, worker: int, out: TextIO | None = None) -> None:
        """Write for people or for programs (JSON), to standard error unless told otherwise."""
        self._clock = clock
        self._out = out or sys.stderr
        self._loop = asyncio.get_running_loop()
        self._lines: list[str] = []
        self._second = (0, "")
        self._worker = worker
        self._end = lru_cache(maxsize=256)(self._end_of_line)
        self._lost = 0
        self.write: Final[Writer] = self._human if people else self._json

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
        # Every value is ours (hexadecimal, a table of routes, error codes) but the address.
        self._add(
            f'{{"time":"{self._now()}","level":"info","event":"request","request_id":"{request_id}",'
            f'"route":"{route}","status":{status},"outcome":"{outcome}","duration_ms":{microseconds / 1000}'
            f"{self._end(address, environment)}"
        )

    def _end_of_line(self, address: str, environment: int | None) -> str:
        """Write what many lines have in common. An address may be made up by a proxy."""
        shown = f'"{address}"' if _PLAIN.issuperset(address) else msgspec.json.encode(address).decode()
        known = "" if environment is None else f',"environment":{environment}'
        return f',"address":{shown}{known},"worker":{self._worker}}}\n'

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
        shown = "" if outcome == "ok" else f" {outcome}"
        place = address if address.isprintable() else ascii(address)
        self._add(
            f"{self._now()} {status}{shown} {route} {microseconds / 1000:.1f} ms {place} {request_id}\n"
        )

    def flush(self) -> None:
        """Send out what has gathered. Where nobody takes it (a full disk, a closed pipe) it is dropped.

        A log that cannot be written must not keep anybody from signing in; how much is missing is said as
        soon as there is somebody to say it to.
        """
        if not self._lines:
            return
        try:
            self._out.write("".join(self._lines))
            self._out.flush()
        except OSError:
            self._lost += len(self._lines)
        else:
            if self._lost:
                log.warning("the log could not be written: %d lines of requests are missing", self._lost)
                self._lost = 0
        self._lines.clear()

    def _add(self, line: str) -> None:
        if not self._lines:
            self._loop.call_later(GATHER_SECONDS, self.flush)
        self._lines.append(line)
        if len(self._lines) >= MAX_LINES:
            self.flush()

    def _now(self) -> str:
        now = self._clock()
        second = now // _SECOND
        if second != self._second[0]:
            self._second = (second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
        return f"{self._second[1]}.{now % _SECOND:03d}Z"
