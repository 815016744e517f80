"""Examples: what the samples of the reference sent to a real server, and what it responded."""

import re
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from authfactor import reference
from authfactor.http.routing import Route
from authfactor.reference import Endpoint, RecordedAnswer

Examples = dict[str, dict[str, Any]]
UNAUTHORIZED: Final = 401


def of_requests(pages: list[Endpoint]) -> Examples:
    """Return the bodies that the samples of these pages sent."""
    return {
        page.name: _example(page.title, answer.sent)
        for page in pages
        if (answer := _answer(page)) and answer.sent
    }


def of_responses(route: Route, pages: list[Endpoint], status: int) -> Examples:
    """Return the bodies with which the server responded to samples and to requests of the guide."""
    found: Examples = {}
    for page in pages:
        answer = _answer(page)
        if answer and answer.status == status and answer.body:
            found[page.name] = _example(page.title, answer.body)
    for name, answer in reference.recorded().guide.items():
        if answer.status == status != UNAUTHORIZED and _is_of(route, answer):
            found[name] = _example(name.replace("_", " ").capitalize(), answer.body)
    return found


def of_status(status: int) -> Examples:
    """Return the bodies of the guide with a status that every endpoint can have."""
    return {
        name: _example(name.replace("_", " ").capitalize(), answer.body)
        for name, answer in reference.recorded().guide.items()
        if answer.status == status
    }


def of_event(name: str) -> Examples:
    """Return a recorded event."""
    return {name: {"summary": name, "value": reference.event_examples()[name]}}


def of_parameters(route: Route, pages: list[Endpoint]) -> dict[str, str]:
    """Return the values of path and query in the request of a route's first page."""
    answer = _answer(pages[0])
    if answer is None:
        return {}
    target = urlsplit(answer.request.split(" ")[1])
    names = re.findall(r"\{(\w+)\}", route.path)
    matched = re.fullmatch(re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(route.path)), target.path)
    path = dict(zip(names, matched.groups(), strict=True)) if matched else {}
    query = {name: values[0] for name, values in parse_qs(target.query).items()}
    return {name: unquote(value) for name, value in path.items()} | query


def _answer(page: Endpoint) -> RecordedAnswer | None:
    """Return the response that a page shows; None for a new page, whose samples have not been run yet."""
    return reference.recorded().answers.get(page.name)


def _example(summary: str, body: str) -> dict[str, Any]:
    return {"summary": summary, "value": msgspec.json.decode(body)}


def _is_of(route: Route, answer: RecordedAnswer) -> bool:
    method, _, target = answer.request.partition("\n")[0].partition(" ")
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route.path))
    return method == route.method and re.fullmatch(pattern, urlsplit(target).path) is not None
