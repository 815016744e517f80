"""The reference as data: one TOML file for each page, in the form of the public reference's source.

An endpoint's file holds its descriptions and, for each language, the name of the SDK's method with its
parameters and what it returns. `(area.name)` stands for a description, of the file itself or of
`descriptions.toml`. `samples.json` and `recorded.json` are written by tools: the samples that the conformance
runner executes, and what the server answered to them.
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
    """One parameter, or one field of what is returned; `unwrap` stands for its properties."""

    key: str
    type: str
    description: str = ""
    optional: bool = False
    unwrap: bool = False
    properties: tuple["Parameter", ...] = ()
    place: str = msgspec.field(default="", name="in")  # of a request: path, query or body
    field: str = ""  # its name in the path of the operation, where the page shows another


class Method(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One endpoint in one language; for curl the type is the HTTP method, `sdk` a major version."""

    key: str
    title: str
    parameters: tuple[Parameter, ...]
    returns: tuple[Parameter, ...]
    type: str = ""
    sdk: str = ""


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One page of the reference."""

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
        """The last part of the page's address."""
        return self.name.replace("_", "-")

    @property
    def http(self) -> Method:
        """The endpoint as it is on the wire."""
        return self.reference["curl"]


class Object(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One object that endpoints return; `schema` is its name in the OpenAPI document."""

    title: str
    schema: str
    description: str
    fields: tuple[Parameter, ...]


class ErrorCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One error code. `everywhere`: on each endpoint that has a body, needs a key, or on all."""

    status: int
    meaning: str
    remedy: str
    everywhere: str = ""


class Sample(msgspec.Struct, frozen=True):
    """One sample: its text, and the same as HTML with classes of its tokens."""

    code: str
    html: str


class Recorded(msgspec.Struct, frozen=True):
    """What the conformance runner saw: answers by page, and by language and page how a sample was checked."""

    answers: dict[str, "RecordedAnswer"]
    guide: dict[str, "RecordedAnswer"]
    checked: dict[str, dict[str, str]]


class RecordedAnswer(msgspec.Struct, frozen=True):
    """One answer of a real server; long texts are shortened."""

    request: str
    status: int
    body: str


@functools.cache
def endpoints() -> dict[str, Endpoint]:
    """Read every endpoint's page, by name, in the order of the index."""
    shared = _toml("descriptions.toml")
    found = []
    for path in sorted((FOLDER / "endpoints").glob("*.toml")):
        written = _toml(f"endpoints/{path.name}")
        texts = {**shared, **written.get("descriptions", {})}
        found.append(msgspec.convert({"name": path.stem, **_described(written, texts)}, Endpoint))
    return {one.name: one for one in sorted(found, key=lambda one: one.order)}


@functools.cache
def objects() -> dict[str, Object]:
    """Read the objects that endpoints return, by the name that types use."""
    return msgspec.convert(_toml("objects.toml"), dict[str, Object])


@functools.cache
def error_codes() -> dict[str, ErrorCode]:
    """Read what each error code means."""
    return msgspec.convert(_toml("errors.toml"), dict[str, ErrorCode])


@functools.cache
def samples() -> dict[str, dict[str, Sample]]:
    """Read the samples, by language and page; `connect` is what comes before all others."""
    return msgspec.json.decode((FOLDER / "samples.json").read_bytes(), type=dict[str, dict[str, Sample]])


@functools.cache
def recorded() -> Recorded:
    """Read what the conformance runner saw."""
    return msgspec.json.decode((FOLDER / "recorded.json").read_bytes(), type=Recorded)


def object_of(type_name: str) -> Object | None:
    """Find the object that a type names, alone or in a list (`user`, `user[]`)."""
    return objects().get(type_name.removesuffix("[]"))


def flat(parameters: tuple[Parameter, ...]) -> list[Parameter]:
    """List parameters as a page does: those that stand for their properties give way to them."""
    return [item for one in parameters for item in (one.properties if one.unwrap else (one,))]


def _toml(name: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - with the first page, not at the start

    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


def _described(value: Any, texts: dict[str, dict[str, str]]) -> Any:  # noqa: ANN401 - any part of a TOML file
    """Put descriptions in the place of their names. Raises `KeyError` for a name that nothing has."""
    if isinstance(value, dict):
        return {key: _described(below, texts) for key, below in value.items()}
    if isinstance(value, list):
        return [_described(below, texts) for below in value]
    if isinstance(value, str) and (named := _REFERENCE.fullmatch(value)):
        area, _, name = named[1].partition(".")
        return texts[area][name]
    return value
