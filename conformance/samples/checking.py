"""What a run of the samples must have done: the page's request, its parameters, a good answer."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from authfactor.reference import Endpoint, flat
from conformance.samples.recorder import Exchange

# What a language prints for a value that is not there.
ABSENT: Final = re.compile(r"\b(undefined|None|null|nil|NaN)\b|<nil>")
PRINTS: Final = re.compile(r"console\.log|\bprint\(|fmt\.Print|\.println\(")
LONGEST: Final = 72  # of a text in a recorded answer


def problem(page: Endpoint, exchanges: Sequence[Exchange], *, strictly: bool) -> str:
    """Say what is wrong with what a sample sent, or nothing; `strictly` when no SDK stands in between."""
    if len(exchanges) != 1:
        return f"sent {len(exchanges)} requests instead of one"
    one = exchanges[0]
    method, path = page.operation.split(" ")
    target = urlsplit(one.target)
    wanted = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
    if one.method != method or not re.fullmatch(wanted, unquote(target.path)):
        return f"sent {one.method} {target.path} instead of {page.operation}"
    if one.status >= 400:
        return f"was answered {one.status}: {one.body.decode(errors='replace')[:300]}"
    if strictly:
        known = {item.key for item in flat(page.http.parameters)}
        sent = {key for key, _ in parse_qsl(target.query)} | set(json.loads(one.sent or b"{}"))
        if sent - known:
            return f"sent what the page does not describe: {', '.join(sorted(sent - known))}"
    return ""


@dataclass(frozen=True, slots=True)
class Request:
    """A request with the scene's values replaced by their names, so that two samples can be compared."""

    path: str
    fields: Mapping[str, object]


def request(one: Exchange, scene: Mapping[str, str]) -> Request:
    """Reduce what was sent to what two samples of a page have in common."""
    target = urlsplit(one.target)
    named = {value: f"{{{name}}}" for name, value in scene.items()}
    path = "/".join(named.get(unquote(part), part) for part in target.path.split("/"))
    lists: dict[str, list[str]] = {}
    for key, value in parse_qsl(target.query):  # SDKs write lists as a=1,2 or a=1&a=2 or a[0]=1
        lists.setdefault(key.partition("[")[0], []).append(value)
    body = json.loads(one.sent or b"{}") or {}
    sent: dict[str, Any] = {**{key: ",".join(values) for key, values in lists.items()}, **body}

    def name(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, list):
            return [name(each) for each in value]
        if isinstance(value, dict):  # a scene has documents as their text
            text = json.dumps(value, separators=(",", ":"))
            return named[text] if text in named else {key: name(below) for key, below in value.items()}
        return named.get(value, value) if isinstance(value, str) else value

    return Request(path, {key: name(value) for key, value in sent.items()})


def difference(wanted: Request, sent: Request, unsent: Collection[str] = ()) -> str:
    """Say what a sample does not send although the page's curl sends it, or nothing.

    An SDK ignores a parameter that it does not know, for example one that it has renamed. The call then
    succeeds and does something else.
    """
    if wanted.path != sent.path:
        return f"sent {sent.path} instead of {wanted.path}"
    for key, value in wanted.fields.items():
        if key not in unsent and sent.fields.get(key) != value:
            return f"sent {key} = {sent.fields.get(key)!r} instead of {value!r}"
    return ""


def print_problem(printed: str, source: str) -> str:
    """Say what is wrong with what a sample printed, or nothing: an absent field raises no error either."""
    if found := ABSENT.search(printed):
        return f"printed {found.group()}: {printed[:200]}"
    if PRINTS.search(source) and not printed.strip():
        return "printed nothing"
    return ""


def shortened(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Cut long texts (pictures, tokens, keys) out of an answer that a page shows."""
    if isinstance(value, dict):
        return {key: shortened(below) for key, below in value.items()}
    if isinstance(value, list):
        return [shortened(below) for below in value[:2]]
    if (
        isinstance(value, str)
        and len(value) > LONGEST
        and " " not in value
        and not value.startswith("otpauth")
    ):
        return f"{value[: LONGEST - 12]}…"
    return value


def shape(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Reduce an answer to names and kinds of values, which two runs must agree on."""
    if isinstance(value, dict):
        return {key: shape(below) for key, below in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def shown(body: bytes) -> str:
    """Write an answer's body as a page shows it."""
    if not body:
        return ""
    if not body.startswith((b"{", b"[")):  # metrics: the first lines tell what it is
        return "\n".join(body.decode().splitlines()[:12]) + "\n…"
    found = shortened(json.loads(body))
    if "openapi" in found:
        found["paths"] = found["webhooks"] = found["components"] = "…"
    return json.dumps(found, indent=2, ensure_ascii=False)
