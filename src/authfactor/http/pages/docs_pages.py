"""The reference at /docs: an index, a page for each endpoint, a guide, the error codes (decision 0021).

Everything comes from `authfactor.reference`. The language of the samples is picked by a link, `?lang=go`, and
remembered in a cookie, so that it needs no script.
"""

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from authfactor import errors, reference
from authfactor.http.pages.browser_security import Cookie
from authfactor.http.pages.page_request import PageRequest, page
from authfactor.http.response import Response
from authfactor.reference import LANGUAGES, Endpoint, Parameter

if TYPE_CHECKING:
    import markupsafe

LANGUAGE: Final = "docs_language"
DEFAULT: Final = "curl"
# The first major version of each SDK that has the newer names.
NEWER_SINCE: Final = {"js": "9", "python": "6", "go": "7", "php": "5", "ruby": "7", "java": "5"}
_YEAR: Final = 365 * 24 * 3600
_MARKS: Final = re.compile(r"`([^`]+)`|\[([^\]]+)\]\((/docs/[a-z0-9-]+)\)")
_LITERAL: Final = re.compile(r'"([^"]+)"')


class FieldRow(NamedTuple):
    """One field of the form that tries an endpoint; `choices` when only these are allowed."""

    parameter: Parameter
    place: str
    name: str
    value: str
    choices: tuple[str, ...]


def prose(text: str) -> "markupsafe.Markup":
    """Turn a description into HTML: `code` and links to other pages; everything else is escaped."""
    import markupsafe  # noqa: PLC0415 - comes with the templates, which are loaded with the first page

    written, at = markupsafe.Markup(), 0
    for mark in _MARKS.finditer(text):
        code, label, target = mark.groups()
        made = (
            markupsafe.Markup("<code>{}</code>").format(code)
            if code
            else markupsafe.Markup('<a href="{}">{}</a>').format(target, label)
        )
        written, at = written + text[at : mark.start()] + made, mark.end()
    return written + text[at:]


def fields_of(endpoint: Endpoint) -> list[FieldRow]:
    """List the fields of the form that tries an endpoint."""
    found = []
    for parameter in reference.flat(endpoint.http.parameters):
        choices = tuple(_LITERAL.findall(parameter.type))
        if parameter.type == "boolean":
            choices = ("true", "false")
        value = choices[0] if len(choices) == 1 else ""
        name = parameter.field or parameter.key
        found.append(FieldRow(parameter, parameter.place, name, value, choices))
    return found


def groups(query: str = "") -> dict[str, list[Endpoint]]:
    """Group the endpoints that a search finds: every word of it in the title, the path or a method's name."""
    wanted = query.lower().split()
    found: dict[str, list[Endpoint]] = {}
    for endpoint in reference.endpoints().values():
        if all(word in searchable(endpoint) for word in wanted):
            found.setdefault(endpoint.group, []).append(endpoint)
    return found


def searchable(endpoint: Endpoint) -> str:
    """Return the text that a search of the index looks into."""
    methods = " ".join(method.title for method in endpoint.reference.values())
    return f"{endpoint.title} {endpoint.operation} {endpoint.name} {methods}".lower()


async def show_index(request: PageRequest) -> Response:
    """Show what there is, or what a search finds."""
    query = request.query().get("q", "").strip()[:100]
    return _show(request, "reference/index.html", query=query, found=groups(query), searchable=searchable)


async def show_page(request: PageRequest) -> Response:
    """Show the page of an endpoint, the guide, or the error codes. Raises `RouteNotFound`."""
    name = request.ids[0]
    if name == "guide":
        return _show(request, "reference/guide.html", answers=reference.recorded().guide)
    if name == "errors":
        return _show(request, "reference/errors.html", codes=reference.error_codes())
    endpoint = reference.endpoints().get(name.replace("-", "_"))
    if endpoint is None or endpoint.slug != name:
        raise errors.RouteNotFound("Not Found")
    return _show(
        request,
        "reference/endpoint.html",
        endpoint=endpoint,
        answer=reference.recorded().answers.get(endpoint.name),
        codes=reference.error_codes(),
        fields=fields_of(endpoint),
        may_try=request.af.settings.docs_try,
        needs_key=needs_key(endpoint),
    )


def needs_key(endpoint: Endpoint) -> bool:
    """Tell whether an endpoint asks for the API key in a header: its sample sends one."""
    return "Authorization: Bearer $API_KEY" in reference.samples()["curl"][endpoint.name].code


def _show(request: PageRequest, template: str, **names: Any) -> Response:  # noqa: ANN401 - whatever the template shows
    if not request.af.settings.docs:
        raise errors.RouteNotFound("Not Found")
    request.set_language("en")
    picked = request.query().get("lang")
    cookies = [Cookie(LANGUAGE, picked, _YEAR)] if picked in LANGUAGES else []
    kept = picked or request.cookie(LANGUAGE)
    return request.render(
        template,
        cookies=cookies,
        lang=kept if kept in LANGUAGES else DEFAULT,
        names=LANGUAGES,
        newer_since=NEWER_SINCE,
        menu=groups(),
        samples=reference.samples(),
        checked=reference.recorded().checked,
        flat=reference.flat,
        object_of=reference.object_of,
        prose=prose,
        base_url=request.base_url,
        **names,
    )


ROUTES: Final = [
    page("GET", "/docs", show_index, "The reference"),
    page("GET", "/docs/{name}", show_page, "A page of the reference"),
]
