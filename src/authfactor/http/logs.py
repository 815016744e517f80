"""What a server says about itself: events with named fields, of which only those on a list come through.

Lines for people on a terminal, JSON otherwise, on standard error. The list is what keeps codes, secrets,
tokens and passwords out: a field that is not on it is dropped, whoever added it. Sentences of libraries
and texts of exceptions pass through `scrub`, which knows what our own credentials look like.
"""

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

from authfactor.settings import Settings

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


def only_known_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop every field that is not on the list, and scrub the texts that are."""
    return {
        name: scrub(str(event[name])).strip() if name in _TEXTS else event[name]
        for name in FIELDS
        if event.get(name) is not None
    }


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return msgspec.json.encode(event).decode()


def _from_record(record: logging.LogRecord) -> dict[str, Any]:
    """Read a record of the standard library: its sentence, its level, and the fields it was given."""
    found: EventDict = {
        "event": record.getMessage(),
        "level": record.levelname.lower(),
        "logger": record.name,
    }
    given: dict[str, Any] = {name: getattr(record, name) for name in FIELDS.keys() & vars(record).keys()}
    if record.exc_info:
        given["exception"] = logging.Formatter().formatException(record.exc_info)
    return {**given, **found}


Renderer = Callable[[WrappedLogger, str, EventDict], str | bytes]
_STAMP: Final = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")


class _Formatter(logging.Formatter):
    """Lets a record of the standard library through the same processors as everything else."""

    def __init__(self, render: Renderer) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        event: MutableMapping[str, Any] = _STAMP(None, "", _from_record(record))
        return str(self._render(None, "", only_known_fields(None, "", event)))


def set_up(settings: Settings, out: TextIO | None = None) -> None:
    """Send what is logged to standard error in the form that the settings ask for; may be repeated."""
    stream = out or sys.stderr
    colours = stream.isatty()
    people = for_people(settings, stream)
    render: Renderer = (
        structlog.dev.ConsoleRenderer(colors=colours, timestamp_key="time") if people else _as_json
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(render))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[settings.log_level], logging.WARNING))
    logging.getLogger("authfactor").setLevel(_LEVELS[settings.log_level])
    silent = settings.log_level == "off"
    structlog.configure(
        processors=[structlog.processors.add_log_level, _STAMP, only_known_fields, render],
        wrapper_class=structlog.make_filtering_bound_logger(
            min(_LEVELS[settings.log_level], logging.CRITICAL)
        ),
        logger_factory=structlog.ReturnLoggerFactory() if silent else structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def for_people(settings: Settings, out: TextIO | None = None) -> bool:
    """Tell whether lines are for people or for programs."""
    stream = out or sys.stderr
    return settings.log_format == "human" or (settings.log_format == "auto" and stream.isatty())
