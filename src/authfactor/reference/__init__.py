"""The API reference as data: one TOML file per endpoint, in the format of the WorkOS reference's source.

An endpoint's file has its descriptions and, for each language, the SDK method with its parameters and return
values. `(area.name)` refers to a description in the same file or in `descriptions.toml`. Tools write
`samples.json` and `recorded.json`, the samples that the conformance runner executes and their responses, and
`event_examples.json`.
"""

import functools
import re
from pathlib import Path
from typing import Any, Final

import msgspec

FOLDER: Final = Path(__file__).parent
LANGUAGES: Final = {
    "curl": "cURL",
    "js": "JavaScript",
    "python": "Python",
    "go": "Go",
    "php": "PHP",
    "ruby": "Ruby",
    "java": "Java",
}
_REFERENCE: Final = re.compile(r"\((\w+\.\w+)\)")


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter, or a field of a return value. With `unwrap`, a page shows its properties instead of it."""

    key: str
    type: str
    description: str = ""
    optional: bool = False
    unwrap: bool = False
    properties: tuple["Parameter", ...] = ()
    place: str = msgspec.field(default="", name="in")  # of a request parameter: path, query or body
    field: str = ""  # name in the operation's path, if it differs from `key`


class Method(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An endpoint in one language. `type` is the HTTP method, for curl; `sdk` is the SDK's major version."""

    key: str
    title: str
    parameters: tuple[Parameter, ...]
    returns: tuple[Parameter, ...]
    type: str = ""
    sdk: str = ""


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An endpoint, with its own page in the reference."""

    name: str
    title: str
    group: str
    operation: str
    order: int
    description: str
    errors: tuple[str, ...]
    reference: dict[str, Method]
    newer: dict[str, str] = {}
    descriptions: dict[str, dict[str, str]] = {}

    @property
    def slug(self) -> str:
        """The last part of the page's URL."""
        return self.name.replace("_", "-")

    @property
    def http(self) -> Method:
        """The endpoint in HTTP."""
        return self.reference["curl"]


class Object(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object that endpoints return. `schema` is its name in the OpenAPI document."""

    title: str
    schema: str
    description: str
    fields: tuple[Parameter, ...]


class EventDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event. `data` is the name of the object that it carries."""

    description: str
    data: str


class ErrorCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An error code. `everywhere`: endpoints that have it, those with a `body`, with a `key`, or `all`."""

    status: int
    meaning: str
    remedy: str
    everywhere: str = ""


class OpenApiTexts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The texts of the OpenAPI document that no page has."""

    description: str
    key: str
    authenticate: str
    page: str
    done: str
    redirect: str
    signature_header: str
    received: str
    tags: dict[str, str]
    headers: dict[str, str]
    statuses: dict[str, str]


class Sample(msgspec.Struct, frozen=True):
    """A code sample as text and as highlighted HTML."""

    code: str
    html: str


class Recorded(msgspec.Struct, frozen=True):
    """The conformance runner's results: responses by page; by language and page, how a sample was checked."""

    answers: dict[str, "RecordedAnswer"]
    guide: dict[str, "RecordedAnswer"]
    checked: dict[str, dict[str, str]]


class RecordedAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A response of a real server, and the JSON that a sample `sent`, with long values shortened."""

    request: str
    status: int
    body: str
    sent: str = ""


@functools.cache
def endpoints() -> dict[str, Endpoint]:
    """Return the endpoints by name, in the order of the index."""
    shared = _toml("descriptions.toml")
    found = []
    for path in sorted((FOLDER / "endpoints").glob("*.toml")):
        source = _toml(f"endpoints/{path.name}")
        texts = {**shared, **source.get("descriptions", {})}
        found.append(msgspec.convert({"name": path.stem, **_resolve(source, texts)}, Endpoint))
    return {endpoint.name: endpoint for endpoint in sorted(found, key=lambda endpoint: endpoint.order)}


@functools.cache
def objects() -> dict[str, Object]:
    """Return the objects of the API, by the name that parameter types use."""
    return msgspec.convert(_toml("objects.toml"), dict[str, Object])


@functools.cache
def events() -> dict[str, EventDescription]:
    """Return the events by name."""
    return msgspec.convert(_toml("events.toml"), dict[str, EventDescription])


@functools.cache
def event_examples() -> dict[str, Any]:
    """Return a recorded event of each name."""
    found: dict[str, Any] = msgspec.json.decode((FOLDER / "event_examples.json").read_bytes())
    return found


@functools.cache
def openapi_texts() -> OpenApiTexts:
    """Return the texts of the OpenAPI document that no page has."""
    return msgspec.convert(_toml("openapi.toml"), OpenApiTexts)


@functools.cache
def error_codes() -> dict[str, ErrorCode]:
    """Return the error codes."""
    return msgspec.convert(_toml("errors.toml"), dict[str, ErrorCode])


@functools.cache
def samples() -> dict[str, dict[str, Sample]]:
    """Return the samples by language and page; `connect` is the code that precedes every sample."""
    return msgspec.json.decode((FOLDER / "samples.json").read_bytes(), type=dict[str, dict[str, Sample]])


@functools.cache
def recorded() -> Recorded:
    """Return the conformance runner's results."""
    return msgspec.json.decode((FOLDER / "recorded.json").read_bytes(), type=Recorded)


def object_of(type_name: str) -> Object | None:
    """Return the object of a type such as `user` or `user[]`; None for other types."""
    return objects().get(type_name.removesuffix("[]"))


def flat(parameters: tuple[Parameter, ...]) -> list[Parameter]:
    """Return the parameters as a page shows them, with `unwrap` parameters replaced by their properties."""
    return [item for one in parameters for item in (one.properties if one.unwrap else (one,))]


def _toml(name: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - imported for the first page, not at start-up

    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


def _resolve(value: Any, texts: dict[str, dict[str, str]]) -> Any:  # noqa: ANN401 - any part of a TOML file
    """Replace each `(area.name)` by its description. Raises `KeyError` for an unknown name."""
    if isinstance(value, dict):
        return {key: _resolve(below, texts) for key, below in value.items()}
    if isinstance(value, list):
        return [_resolve(below, texts) for below in value]
    if isinstance(value, str) and (named := _REFERENCE.fullmatch(value)):
        area, _, name = named[1].partition(".")
        return texts[area][name]
    return value
