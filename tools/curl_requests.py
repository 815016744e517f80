"""Read the request that a sample with curl sends; `tools/http_samples.py` writes it in other languages."""

import json
import re
import shlex
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

_VARIABLE: Final = re.compile(r"\$(\w+)")
_DOCUMENT: Final = re.compile(r"(:\s*)\$(\w+)")
_MARK: Final = "$"  # the one name of an object that stands for a document
_IN_TEXT: Final = re.compile(r"\$\w+|[^$]+")


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that the reader of a sample has, by its name in snake case: a text, or a JSON document."""

    name: str
    is_document: bool = False


# A value of a JSON document, with variables in the place of texts.
Value: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Request:
    """What a sample sends. `path` and `query` are texts and variables; `key` names the bearer token."""

    method: str
    path: tuple[str | Variable, ...]
    query: tuple[tuple[str, str | Variable], ...]
    key: str | Variable | None
    headers: tuple[tuple[str, str], ...]
    body: Value | None

    @property
    def variables(self) -> list[str]:
        """The names of the variables, each once, in the order in which they are used."""
        found = [part.name for part in self.path if isinstance(part, Variable)]
        found += [value.name for _, value in self.query if isinstance(value, Variable)]
        found += [self.key.name] if isinstance(self.key, Variable) else []
        found += [variable.name for variable in _variables(self.body)]
        return list(dict.fromkeys(found))

    @property
    def documents(self) -> set[str]:
        """The names of the variables that are JSON documents instead of texts."""
        return {variable.name for variable in _variables(self.body) if variable.is_document}


def read(sample: str) -> Request:
    """Read a sample with curl. Raises `ValueError` for what the other languages cannot be written from."""
    words = shlex.split(_without_comments(sample).replace("\\\n", " "))
    if words[:1] != ["curl"]:
        raise ValueError(f"not one call of curl: {sample}")
    options: dict[str, list[str]] = {}
    url, in_query = "", False
    rest = iter(words[1:])
    for word in rest:
        if word == "--get":
            in_query = True
        elif word in {"--fail", "--include"}:
            continue
        elif word.startswith("--"):
            options.setdefault(word.removeprefix("--"), []).append(next(rest))
        else:
            url = word
    if unknown := options.keys() - {"request", "header", "data", "data-urlencode"}:
        raise ValueError(f"curl's options {sorted(unknown)} are not known here")
    path, _, query = url.removeprefix("$BASE_URL").partition("?")
    pairs = [pair.partition("=") for pair in [*query.split("&"), *options.get("data-urlencode", [])] if pair]
    headers = [text.partition(": ") for text in options.get("header", [])]
    bearer = next((value for name, _, value in headers if name == "Authorization"), "")
    data = options.get("data", [None])[0]
    return Request(
        options.get("request", ["GET" if data is None or in_query else "POST"])[0],
        tuple(_part(piece) for piece in _IN_TEXT.findall(path)),
        tuple((name, _part(value)) for name, _, value in pairs),
        _key(bearer),
        tuple((name, value) for name, _, value in headers if name not in {"Authorization", "Content-Type"}),
        None if data is None else _value(json.loads(_DOCUMENT.sub(rf'\1{{"{_MARK}": "\2"}}', data))),
    )


def _without_comments(sample: str) -> str:
    """Return the text without its comments, whose apostrophes shlex would read as quotes."""
    return "\n".join(line for line in sample.splitlines() if not line.startswith("#"))


def _key(bearer: str) -> str | Variable | None:
    part = _part(bearer.removeprefix("Bearer "))
    if part == Variable("api_key"):
        return "API_KEY"
    return part if isinstance(part, Variable) else None


def _part(text: str) -> str | Variable:
    found = _VARIABLE.fullmatch(text)
    if found is None and "$" in text:
        raise ValueError(f"a variable must be a whole value: {text}")
    return text if found is None else Variable(found[1].lower())


def _value(found: Value) -> Value:
    if isinstance(found, dict):
        if found.keys() == {_MARK}:
            return Variable(found[_MARK].lower(), is_document=True)
        return {name: _value(below) for name, below in found.items()}
    if isinstance(found, list):
        return [_value(below) for below in found]
    return _part(found) if isinstance(found, str) else found


def _variables(value: Value) -> list[Variable]:
    if isinstance(value, Variable):
        return [value]
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [variable for one in below for variable in _variables(one)]
