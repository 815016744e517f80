"""Load the settings: defaults, then one TOML file, then the environment, then the command line.

An unknown name is an error: a misspelled limit must not silently keep its default. Only the variables that
Kubernetes makes for services are ignored.
"""

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from authfactor.settings import PREFIX, InvalidSetting, Settings

# Names the file itself, so it is not a setting.
FILE_VARIABLE: Final = f"{PREFIX}CONFIG"
FILE_NAME: Final = "authfactor.toml"
DEFAULT: Final = "default"
_SERVICE: Final = rf"{PREFIX}(?:[A-Z0-9_]+_)?"
_SERVICE_LINK: Final = re.compile(
    rf"{_SERVICE}(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_SERVICE_PORT: Final = re.compile(f"{_SERVICE}PORT")
_PORT_URL: Final = re.compile(r"(?:tcp|udp|sctp)://")
# AUTHFACTOR_METRICS_TOKEN_FILE names a file with the value of the secret setting `metrics_token`.
FILE_SUFFIX: Final = "_file"
_KINDS: Final[dict[object, str]] = {int: "a whole number", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, and the origin of each value: `default`, a file, a variable, or `command line`."""

    settings: Settings
    origins: Mapping[str, str]


def find_file(
    environ: Mapping[str, str], given: Path | None = None, folder: Path | None = None
) -> Path | None:
    """Return the file to read: `given`, else AUTHFACTOR_CONFIG, else authfactor.toml in `folder`, or None."""
    if given is not None:
        return given
    if environ.get(FILE_VARIABLE):
        return Path(environ[FILE_VARIABLE])
    usual = (folder or Path()) / FILE_NAME
    return usual if usual.is_file() else None


def read(environ: Mapping[str, str], file: Path | None = None, **overrides: object) -> Settings:
    """Load the settings; `overrides`, from the command line, take precedence unless they are None.

    Raises `InvalidSetting`.
    """
    return load(environ, file, **overrides).settings


def load(environ: Mapping[str, str], file: Path | None = None, **overrides: object) -> LoadedSettings:
    """Load the settings as `read` does, with the origin of each value."""
    known = {item.name: item for item in fields(Settings)}
    values: dict[str, Any] = {}
    origins = dict.fromkeys(known, DEFAULT)
    if file is not None:
        for name, value in _toml(file).items():
            shown = f"{file}: {name}"
            item = known[_require_known(name, known, shown)]
            wanted = item.type if item.type in _KINDS else str
            if type(value) is not wanted:
                kind = _KINDS.get(wanted, "a quoted string")
                raise InvalidSetting(f"{shown} must be {kind}.")
            values[name] = _parse(item, str(value), shown)
            origins[name] = str(file)
    for variable, text in environ.items():
        if variable.startswith(PREFIX) and variable != FILE_VARIABLE and not is_service_link(variable, text):
            name, value_text = _named(variable, text, environ, known)
            values[name] = _parse(known[name], value_text, variable)
            origins[name] = variable
    if "trace_endpoint" not in values:
        variable, endpoint = _standard_trace_endpoint(environ)
        if endpoint:
            values["trace_endpoint"], origins["trace_endpoint"] = endpoint, variable
    given = {name: value for name, value in overrides.items() if value is not None}
    return LoadedSettings(Settings(**values | given), origins | dict.fromkeys(given, "command line"))


def _standard_trace_endpoint(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return OpenTelemetry's own variable for the collector, and the URL for traces; empty without one.

    The SDK reads the other variables of its specification, such as OTEL_SERVICE_NAME, itself. Without the
    extra `otel` they have no effect: they are often set for everything on a machine.
    """
    off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    traces, base = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
    if off or environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() != "otlp":
        return "", ""
    if not (environ.get(traces) or environ.get(base)) or not _can_trace():
        return "", ""
    if environ.get(traces):
        return traces, environ[traces]
    # OTLP's specification: the path is appended only to the variable of all signals.
    return base, environ[base].rstrip("/") + "/v1/traces"


def _can_trace() -> bool:
    """Return whether the extra `otel` is installed."""
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:  # a package above it
        return False


def is_service_link(variable: str, text: str) -> bool:
    """Return whether Kubernetes has set a variable for a service named `authfactor` or `authfactor-…`.

    Every pod of the namespace gets these. `AUTHFACTOR_PORT`, also a setting, is one if it is a URL of TCP or
    UDP.
    """
    return bool(
        _SERVICE_LINK.fullmatch(variable) or (_SERVICE_PORT.fullmatch(variable) and _PORT_URL.match(text))
    )


def _named(variable: str, text: str, environ: Mapping[str, str], known: Mapping[str, Any]) -> tuple[str, str]:
    """Return the setting that a variable names, and its text: the variable's, or that of a secret's file."""
    name = variable.removeprefix(PREFIX).lower()
    secret = name.removesuffix(FILE_SUFFIX)
    if name == secret or secret not in known or not known[secret].metadata["secret"]:
        return _require_known(name, known, variable), text
    direct = f"{PREFIX}{secret.upper()}"
    if direct in environ:
        raise InvalidSetting(f"{direct} and {variable} exclude each other: set one.")
    try:
        content = Path(text).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InvalidSetting(f"{variable}: {text or 'no file'} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidSetting(f"{variable}: {text} is not a text file.") from error
    if not content:
        raise InvalidSetting(f"{variable}: {text} is empty.")
    return secret, content


def _toml(file: Path) -> dict[str, object]:
    import tomllib  # noqa: PLC0415 - most servers are configured by their environment

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSetting(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # TOMLDecodeError, or UnicodeDecodeError
        raise InvalidSetting(f"{file} is not valid TOML: {error}.") from error


def _require_known(name: str, known: Mapping[str, object], shown: str) -> str:
    if name in known:
        return name
    import difflib  # noqa: PLC0415 - for a misspelled name

    near = difflib.get_close_matches(name, known, 1)
    hint = (
        f" Did you mean {PREFIX}{near[0].upper()}?"
        if near
        else " `authfactor config show` lists the settings."
    )
    raise InvalidSetting(f"{shown} is not a setting of this release.{hint}")


def _parse(item: Any, text: str, shown: str) -> Any:  # noqa: ANN401 - a dataclass field and its value
    if item.type is int:
        try:
            return int(text)
        except ValueError:
            raise InvalidSetting(f"{shown} must be a whole number, not '{text}'.") from None
    if item.type is bool:
        return _parse_bool(text, shown)
    return Path(text) if item.type is Path else text


def _parse_bool(text: str, shown: str) -> bool:
    for value, words in ((True, {"1", "true", "yes", "on"}), (False, {"0", "false", "no", "off"})):
        if text.strip().lower() in words:
            return value
    raise InvalidSetting(f"{shown} must be true or false, not '{text}'.")
