"""The API reference at /docs: an index, a page for each endpoint, a guide, the error codes (decision 0021).

The content comes from `authfactor.reference`. A link, `?lang=go`, selects the language of the samples, and a
cookie stores it, so that no script is needed.
"""

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from authfactor import errors, reference
from authfactor.http.api import unserved
from authfactor.http.pages.browser_security import Cookie
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.reference import LANGUAGES, Endpoint, Parameter
from authfactor.settings import Settings

if TYPE_CHECKING:
    import markupsafe

LANGUAGE_COOKIE: Final = "docs_language"
DEFAULT_LANGUAGE: Final = "curl"
COMPATIBILITY: Final = "/docs/compatibility"
# The major version of each SDK that introduced its newer method names.
NEWER_SINCE: Final = {"js": "9", "python": "6", "go": "7", "php": "5", "ruby": "7", "java": "5"}
# What samples without an SDK send requests with.
CLIENTS: Final = {
    "js": "fetch",
    "python": "httpx",
    "go": "net/http",
    "php": "curl",
    "ruby": "net/http",
    "java": "java.net.http",
}
_YEAR_SECONDS: Final = 365 * 24 * 3600
_MARKUP: Final = re.compile(r"`([^`]+)`|\[([^\]]+)\]\((/docs/[a-z0-9-]+)\)")
_LITERAL: Final = re.compile(r'"([^"]+)"')


class FieldRow(NamedTuple):
    """A field of the "Try it" form; `choices` are the only allowed values, if any."""

    parameter: Parameter
    place: str
    name: str
    value: str
    choices: tuple[str, ...]


def prose(text: str) -> "markupsafe.Markup":
    """Convert a description to HTML: `code` and links to other pages; the rest is escaped."""
    import markupsafe  # noqa: PLC0415 - loaded with the templates

    html, position = markupsafe.Markup(), 0
    for match in _MARKUP.finditer(text):
        code, label, target = match.groups()
        element = (
            markupsafe.Markup("<code>{}</code>").format(code)
            if code
            else markupsafe.Markup('<a href="{}">{}</a>').format(target, label)
        )
        html, position = html + text[position : match.start()] + element, match.end()
    return html + text[position:]


def try_fields(endpoint: Endpoint) -> list[FieldRow]:
    """Return the fields of an endpoint's "Try it" form."""
    rows = []
    for parameter in reference.flat(endpoint.http.parameters):
        choices = tuple(_LITERAL.findall(parameter.type))
        if parameter.type == "boolean":
            choices = ("true", "false")
        value = choices[0] if len(choices) == 1 else ""
        name = parameter.field or parameter.key
        rows.append(FieldRow(parameter, parameter.place, name, value, choices))
    return rows


def search(query: str = "") -> dict[str, list[Endpoint]]:
    """Return the endpoints whose `search_text` contains every word of the query, by group."""
    words = query.lower().split()
    groups: dict[str, list[Endpoint]] = {}
    for endpoint in reference.endpoints().values():
        if all(word in search_text(endpoint) for word in words):
            groups.setdefault(endpoint.group, []).append(endpoint)
    return groups


def search_text(endpoint: Endpoint) -> str:
    """Return the text that a search matches: title, operation, name and SDK methods."""
    methods = " ".join(method.title for method in endpoint.reference.values())
    return f"{endpoint.title} {endpoint.operation} {endpoint.name} {methods}".lower()


def compatibility_link(settings: Settings) -> str:
    """Return where the server says what it does not serve: a URL if there is a page, else a file."""
    return f"{settings.base_url.rstrip('/')}{COMPATIBILITY}" if settings.docs else "docs/compatibility.md"


async def show_index(request: PageRequest) -> Response:
    """Show the index, or the results of a search."""
    query = request.query().get("q", "").strip()[:100]
    return _render(
        request, "reference/index.html", query=query, groups=search(query), search_text=search_text
    )


async def show_page(request: PageRequest) -> Response:
    """Show an endpoint, the guide, the error codes, or what is not served. Raises `RouteNotFound`."""
    name = request.ids[0]
    if name == "guide":
        return _render(request, "reference/guide.html", responses=reference.recorded().guide)
    if name == "errors":
        return _render(request, "reference/errors.html", codes=reference.error_codes())
    if name == "compatibility":
        return _render(
            request,
            "reference/compatibility.html",
            refused=unserved.REFUSED_PARAMETERS,
            ignored=unserved.IGNORED_PARAMETERS,
            areas=sorted(unserved.AREAS),
            operations=unserved.OPERATIONS,
        )
    endpoint = reference.endpoints().get(name.replace("-", "_"))
    if endpoint is None or endpoint.slug != name:
        raise errors.RouteNotFound("Not Found")
    return _render(
        request,
        "reference/endpoint.html",
        endpoint=endpoint,
        response=reference.recorded().answers.get(endpoint.name),
        codes=reference.error_codes(),
        fields=try_fields(endpoint),
        try_enabled=request.af.settings.docs_try,
        needs_key=needs_key(endpoint),
    )


def needs_key(endpoint: Endpoint) -> bool:
    """Return whether an endpoint needs an API key in a header, which its cURL sample then sends."""
    return "Authorization: Bearer $API_KEY" in reference.samples()["curl"][endpoint.name].code


def _render(request: PageRequest, template: str, **names: Any) -> Response:  # noqa: ANN401 - template variables
    if not request.af.settings.docs:
        raise errors.RouteNotFound("Not Found")
    request.set_language("en")
    selected = request.query().get("lang")
    cookies = [Cookie(LANGUAGE_COOKIE, selected, _YEAR_SECONDS)] if selected in LANGUAGES else []
    lang = selected or request.cookie(LANGUAGE_COOKIE)
    return request.render(
        template,
        cookies=cookies,
        lang=lang if lang in LANGUAGES else DEFAULT_LANGUAGE,
        names=LANGUAGES,
        newer_since=NEWER_SINCE,
        clients=CLIENTS,
        menu=search(),
        samples=reference.samples(),
        checked=reference.recorded().checked,
        flat=reference.flat,
        object_of=reference.object_of,
        prose=prose,
        base_url=request.base_url,
        **names,
    )
