"""Logging: events with named fields, restricted to an allowlist, on standard error.

Plain text on a terminal, JSON otherwise. The allowlist keeps codes, secrets, tokens and passwords out: any
other field is dropped. Messages and exception texts pass through `scrub`, which redacts credentials.
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

# Every field a log line may have, with its description. docs/reference/logs.md is generated from here.
FIELDS: Final = {
    "time": "UTC time, ISO 8601",
    "level": "debug, info, warning or error",
    "event": "what happened; `request` for a completed request",
    "logger": "the part of the server that logged it",
    "request_id": "the `X-Request-Id` of the response",
    "route": "method and path as in the reference, without ids; `unmatched` if there is no such route",
    "status": "HTTP status of the response",
    "outcome": "`ok`, or the error code of the response",
    "duration_ms": "milliseconds from receiving the request to handing over its response",
    "address": "IP address of the client; behind a trusted proxy the one from `X-Forwarded-For`",
    "environment": "number of the environment that the API key belongs to",
    "worker": "number of the process that logged it",
    "signal": "signal that was received",
    "settings": "names of settings (never values)",
    "exception": "traceback of an unexpected failure, for a bug report",
}
_SCRUBBED_FIELDS: Final = frozenset({"event", "exception"})
REDACTED: Final = "***"
_CREDENTIALS: Final = re.compile(
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
    """Redact everything that looks like a credential, a code or a secret."""
    return _CREDENTIALS.sub(REDACTED, text)


def allowed_fields(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are in `FIELDS`, with free text scrubbed."""
    return {
        name: scrub(str(event[name])).strip() if name in _SCRUBBED_FIELDS else event[name]
        for name in FIELDS
        if event.get(name) is not None
    }


def _from_record(record: logging.LogRecord) -> dict[str, Any]:
    """Convert a record to fields: time, message, level, logger, and those passed as `extra`."""
    extra: dict[str, Any] = {name: getattr(record, name) for name in FIELDS.keys() & vars(record).keys()}
    if record.exc_info:
        extra["exception"] = logging.Formatter().formatException(record.exc_info)
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
    return {
        **extra,
        "time": f"{time.removesuffix('+00:00')}Z",
        "event": record.getMessage(),
        "level": record.levelname.lower(),
        "logger": record.name,
    }


def _as_json(fields: dict[str, Any]) -> str:
    return msgspec.json.encode(fields).decode()


def _as_text(colors: bool) -> Callable[[dict[str, Any]], str]:  # noqa: FBT001 - as structlog's
    """Make a formatter for a terminal. structlog is imported with the first line, as it is slow to import."""

    @functools.cache
    def renderer() -> "structlog.dev.ConsoleRenderer":
        import structlog.dev  # noqa: PLC0415 - see above

        return structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="time")

    return lambda fields: renderer()(None, "", fields)


class _Formatter(logging.Formatter):
    """Formats a record with the fields in `FIELDS` only."""

    def __init__(self, render: Callable[[dict[str, Any]], str]) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        return self._render(allowed_fields(_from_record(record)))


def set_up(settings: Settings, out: TextIO | None = None) -> None:
    """Configure the root logger from the settings; may be called again. Default `out`: standard error."""
    stream = out or sys.stderr
    handler = logging.StreamHandler(stream)
    render = _as_text(stream.isatty()) if is_human_readable(settings, stream) else _as_json
    handler.setFormatter(_Formatter(render))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[settings.log_level], logging.WARNING))
    logging.getLogger("authfactor").setLevel(_LEVELS[settings.log_level])


def is_human_readable(settings: Settings, out: TextIO | None = None) -> bool:
    """Return whether to log plain text instead of JSON: if set, or if `auto` and `out` is a terminal."""
    stream = out or sys.stderr
    return settings.log_format == "human" or (settings.log_format == "auto" and stream.isatty())
