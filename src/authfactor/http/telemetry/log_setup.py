"""What a server says about itself: events with named fields, of which only those on a list come through.

Lines for people on a terminal, JSON otherwise, on standard error. The list is what keeps codes, secrets,
tokens and passwords out: a field that is not on it is dropped, whoever added it. Sentences of libraries
and texts of exceptions pass through `scrub`, which knows what our own credentials look like.
"""

import functools
import logging
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TextIO

import msgspec

from authfactor.settings import Settings

if TYPE_CHECKING:
    import structlog

# Every field that a log line may have, and what is in it. The reference is generated from here.
FIELDS: Final = {
    "time": "when, in UTC, ISO 8601",
    "level": "debug, info, warning or error",
    "event": "what happened; `request` for a request that was answered",
    "logger": "the part of the server that says it",
    "request_id": "the `X-Request-Id` of the answer",
    "route": "method and path as in the reference, without ids; `unmatched` when there is no such route",
    "status": "HTTP status of the answer",
    "outcome": "`ok`, or the error code of the answer",
    "duration_ms": "milliseconds from the arrival of the request to the hand-over of its answer",
    "address": "address of the client; behind a trusted proxy the one that the proxy names",
    "environment": "number of the environment that the API key belongs to",
    "worker": "number of the process that says it",
    "signal": "signal that was received",
    "settings": "names of settings (never values)",
    "exception": "where an unexpected failure happened, for a bug report",
}
_TEXTS: Final = frozenset({"event", "exception"})
HIDDEN: Final = "***"
_OURS: Final = re.compile(
    r"sk_[A-Za-z0-9_-]+|otpauth://\S+|eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=Bearer )\S+|(?<=://)[^/\s:@]+:[^@\s]+(?=@)"
    r"|\b(?:code|secret|password|token)['\"]?\s*[:=]\s*['\"]?[^\s'\",}]+|\b[A-Z2-7]{16,}\b|\b\d{6}\b"
)
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 1,
}


def scrub(text: str) -> str:
    """Hide what looks like a credential, a code or a secret."""
    return _OURS.sub(HIDDEN, text)


def only_known_fields(event: Mapping[str, Any]) -> dict[str, Any]:
    """Drop every field that is not on the list, and scrub the texts that are."""
    return {
        name: scrub(str(event[name])).strip() if name in _TEXTS else event[name]
        for name in FIELDS
        if event.get(name) is not None
    }


def _from_record(record: logging.LogRecord) -> dict[str, Any]:
    """Read a record: its moment, its sentence, its level, and the fields it was given."""
    given: dict[str, Any] = {name: getattr(record, name) for name in FIELDS.keys() & vars(record).keys()}
    if record.exc_info:
        given["exception"] = logging.Formatter().formatException(record.exc_info)
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
    return {
        **given,
        "time": f"{moment.removesuffix('+00:00')}Z",
        "event": record.getMessage(),
        "level": record.levelname.lower(),
        "logger": record.name,
    }


def _as_json(fields: dict[str, Any]) -> str:
    return msgspec.json.encode(fields).decode()


def _for_people(colours: bool) -> Callable[[dict[str, Any]], str]:  # noqa: FBT001 - a terminal's
    """Make what writes lines for people. Loaded with the first line: it takes as long as half a start."""

    @functools.cache
    def renderer() -> "structlog.dev.ConsoleRenderer":
        import structlog.dev  # noqa: PLC0415 - see above

        return structlog.dev.ConsoleRenderer(colors=colours, timestamp_key="time")

    return lambda fields: renderer()(None, "", fields)


class _Formatter(logging.Formatter):
    """Writes a record with the fields that are on the list and no others."""

    def __init__(self, render: Callable[[dict[str, Any]], str]) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        return self._render(only_known_fields(_from_record(record)))


def set_up(settings: Settings, out: TextIO | None = None) -> None:
    """Send what is logged to standard error in the form that the settings ask for; may be repeated."""
    stream = out or sys.stderr
    handler = logging.StreamHandler(stream)
    render = _for_people(stream.isatty()) if for_people(settings, stream) else _as_json
    handler.setFormatter(_Formatter(render))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[settings.log_level], logging.WARNING))
    logging.getLogger("authfactor").setLevel(_LEVELS[settings.log_level])


def for_people(settings: Settings, out: TextIO | None = None) -> bool:
    """Tell whether lines are for people or for programs."""
    stream = out or sys.stderr
    return settings.log_format == "human" or (settings.log_format == "auto" and stream.isatty())
