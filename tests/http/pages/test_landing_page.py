"""What is at `/`, the paths that people type, and error pages outside the pages' own handlers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.crypto.vault import UnsealError
from authfactor.http.accept import prefers_html
from authfactor.http.api import health
from authfactor.http.app import all_routes
from authfactor.http.dispatcher import Dispatcher
from authfactor.http.pages import templating
from authfactor.http.pages.error_pages import ErrorPages
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.http.telemetry.shared_counters import CounterLayout, CounterWriter, SharedCounters
from authfactor.settings import Settings
from authfactor.version import __version__
from tests.support.server_process import Server, fields, running

# What Chromium and Firefox send for a page.
BROWSER: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"
PAGE: Final = {"accept": BROWSER, "accept-language": "en-GB"}
GERMAN: Final = {"accept": BROWSER, "accept-language": "de-AT,en;q=0.5"}
PROGRAMS: Final = ("application/json", "*/*", "", "application/json, text/plain, */*", "text/plain")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return a client of a server whose landing page, reference and console are turned off."""
    off = dict.fromkeys(("AUTHFACTOR_LANDING_PAGE", "AUTHFACTOR_DOCS", "AUTHFACTOR_CONSOLE"), "false")
    with running(tmp_path_factory.mktemp("closed") / "data", off) as server, server.client(None) as client:
        yield client


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/html;level=1", "TEXT/HTML, */*; q=0.1"])
def test_browsers_prefer_a_page(accept: str) -> None:
    assert prefers_html(accept.encode())


@pytest.mark.parametrize(
    "accept",
    [
        *PROGRAMS,
        "text/html;q=0",
        "text/html;q=nan, */*;q=0",
        "text/html;q=1e3",
        "text/html;q=-1",
        "text/html;q=0.5, application/json",
        "application/json, text/html",
        "text/html;q=0.8, application/*;q=0.9",
        "x," * 20 + "text/html",
        "text/html\xff",
    ],
)
def test_programs_do_not_prefer_a_page(accept: str) -> None:
    assert not prefers_html(accept.encode("latin-1"))


def test_landing_page_says_what_runs_here_and_links_to_it(browser: httpx.Client) -> None:
    response = browser.get("/", headers=PAGE)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "unsafe" not in response.headers["content-security-policy"]
    assert "accept" in response.headers["vary"]
    assert f"authfactor {__version__}" in response.text
    for path in ("/docs", "/console", "/readyz", "/openapi.json"):
        assert f'href="{path}"' in response.text
        assert browser.get(path, headers=PAGE, follow_redirects=True).status_code == 200, path


def test_landing_page_is_german_for_a_german_browser_and_can_be_switched(server: Server) -> None:
    # A client of its own, as the choice is kept in a cookie.
    with server.client(None) as browser:
        german = browser.get("/", headers=GERMAN)
        assert "Dieser Server läuft" in german.text
        assert '<html lang="de">' in german.text
        switched = browser.get("/?language=en", headers=GERMAN)
        assert "This server is running" in switched.text
        assert "This server is running" in browser.get("/", headers=GERMAN).text


@pytest.mark.parametrize("accept", PROGRAMS)
def test_programs_get_a_json_document_at_the_root(browser: httpx.Client, accept: str) -> None:
    body = fields(browser.get("/", headers={"accept": accept}), 200)
    assert body == {
        "name": "authfactor",
        "version": __version__,
        "reference": "/docs",
        "console": "/console",
        "health": "/readyz",
        "openapi": "/openapi.json",
    }


def test_head_of_the_landing_page_has_no_body(browser: httpx.Client) -> None:
    response = browser.head("/", headers=PAGE)
    assert (response.status_code, response.content) == (200, b"")


def test_landing_page_that_is_turned_off_is_not_found(closed: httpx.Client) -> None:
    assert fields(closed.get("/"), 404)["code"] == "not_found"
    shown = closed.get("/", headers=PAGE)
    assert shown.status_code == 404
    assert "Page not found" in shown.text
    assert __version__ not in shown.text


def test_landing_page_links_only_to_what_is_served(tmp_path: Path) -> None:
    off = {"AUTHFACTOR_DOCS": "false", "AUTHFACTOR_CONSOLE": "false"}
    with running(tmp_path / "data", off) as server, server.client(None) as client:
        page = client.get("/", headers=PAGE).text
        assert set(fields(client.get("/"), 200)) == {"name", "version", "health", "openapi"}
        assert "/docs" not in page
        assert "/console" not in page
        assert "console  " not in server.output()
        assert "reference  " not in server.output()


def test_start_banner_names_the_console_and_the_reference(server: Server) -> None:
    assert f"  reference  {server.url}/docs\n" in server.output()
    assert f"  console    {server.url}/console\n" in server.output()


@pytest.mark.parametrize("path", ["/docs", "/console"])
def test_a_final_slash_redirects_and_keeps_the_query(browser: httpx.Client, path: str) -> None:
    response = browser.get(f"{path}/?lang=go", headers=PAGE)
    assert (response.status_code, response.headers["location"]) == (308, f"{path}?lang=go")
    assert browser.get(f"{path}/").headers["location"] == path


def test_redirects_cannot_lead_to_another_site(browser: httpx.Client) -> None:
    for path in ("//evil.example/", "/docs//evil.example/", "/%2f%2fevil.example/docs/"):
        assert "location" not in browser.get(path, headers=PAGE).headers, path


def test_icon_is_served_where_browsers_look_for_it(browser: httpx.Client) -> None:
    response = browser.get("/favicon.ico")
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/svg+xml"
    assert response.headers["cache-control"] == "public, max-age=86400"
    assert response.content.startswith(b"<svg ")


def assert_page(response: httpx.Response, status: int, title: str) -> None:
    """Check that a response is an error page with the headers of pages."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"
    assert f"<h1>{title}</h1>" in response.text


def test_unknown_paths_and_wrong_methods_are_pages_for_browsers(browser: httpx.Client) -> None:
    assert_page(browser.get("/nowhere", headers=PAGE), 404, "Page not found")
    assert_page(browser.get("/nowhere", headers=GERMAN), 404, "Diese Seite gibt es nicht")
    assert_page(browser.get("/docs/nowhere", headers=PAGE), 404, "Page not found")
    refused = browser.post("/", headers=PAGE)
    assert_page(refused, 405, "This address can\u2019t be opened like this")
    assert refused.headers.get_list("allow") == ["GET"]


@pytest.mark.parametrize("accept", PROGRAMS)
def test_unknown_paths_are_json_for_programs(browser: httpx.Client, accept: str) -> None:
    assert fields(browser.get("/nowhere", headers={"accept": accept}), 404)["code"] == "not_found"
    assert fields(browser.post("/", headers={"accept": accept}), 405)["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/user_management/users", 401),
        ("GET", "/user_management/nowhere", 404),
        ("PUT", "/auth/factors/enroll", 405),
        ("GET", "/user_management/organization_memberships", 501),
        ("GET", "/organizations", 501),
        ("GET", "/connect/x", 501),
        ("GET", "/authfactor/nowhere", 404),
        ("GET", "/webhook_endpoints/x/y/z", 404),
        ("GET", "/metrics", 401),
        ("POST", "/readyz", 405),
    ],
)
def test_errors_of_the_api_are_json_whatever_the_client_accepts(
    browser: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = browser.request(method, path, headers=PAGE)
    assert answer.headers["content-type"] == "application/json; charset=utf-8", answer.text
    assert (answer.status_code, "message" in answer.json()) == (status, True)


def test_error_pages_show_nothing_of_the_request(browser: httpx.Client) -> None:
    attack = "%3Cscript%3Ealert(1)%3C/script%3E"
    for path in (f"/{attack}", f"/docs/{attack}", f"/nowhere?language={attack}&q={attack}"):
        page = browser.get(path, headers={**PAGE, "cookie": f"language={attack}", "referer": attack})
        assert page.status_code == 404
        assert "alert(1)" not in page.text, path


def test_too_many_requests_are_a_page_for_browsers(tmp_path: Path) -> None:
    limits = {"AUTHFACTOR_RATE_PER_ADDRESS": "1", "AUTHFACTOR_RATE_PER_ADDRESS_BURST": "2"}
    with running(tmp_path / "data", limits) as server, server.client(None) as client:
        answers = [client.get(path, headers=PAGE) for path in ("/", "/nowhere", "/docs") * 4]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused, "nothing was refused"
        for answer in refused:
            assert_page(answer, 429, "Too many requests")
            assert 1 <= int(answer.headers["retry-after"]) <= 5


def scope_of(path: str, accept: str) -> dict[str, Any]:
    headers = {b"accept": accept.encode()}
    return {
        "method": "GET",
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers.items()),
        "fields": headers,
        "client": ("127.0.0.1", 1),
    }


async def nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b""}


async def broken(_request: Request) -> Response:
    raise ZeroDivisionError("a detail")


async def busy(_request: Request) -> Response:
    raise errors.Unavailable("The pool is exhausted.", retry_after=2)


async def unreadable(_request: Request) -> Response:
    raise UnsealError("a detail")


@pytest.fixture
async def failing(tmp_path: Path) -> Any:  # noqa: ANN401 - an async generator of a Dispatcher
    """Return a dispatcher with two handlers that fail, one of a page and one of the API."""
    af = await Authfactor.open(Settings(data=tmp_path))
    routes = [
        *all_routes(),
        Route("GET", "/broken", broken, 200, "Broken", needs_key=False, tag="pages"),
        Route("GET", "/sso/broken", broken, 200, "Broken", needs_key=False),
        Route("GET", "/busy", busy, 200, "Busy", needs_key=False, tag="pages"),
        Route("GET", "/unreadable", unreadable, 200, "Unreadable", needs_key=False, tag="pages"),
    ]
    counters = SharedCounters(CounterLayout([route.name for route in routes]), 1)
    writer = CounterWriter(counters.layout, counters.region(1))
    yield Dispatcher(af, routes, health.ServerState(), writer, 1)
    await af.close()


async def test_unexpected_failures_are_a_page_that_names_the_request_id(
    failing: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    shown = await failing.respond(scope_of("/broken", BROWSER), nothing)
    headers = dict(shown.headers())
    assert (shown.status, headers[b"content-type"]) == (500, b"text/html; charset=utf-8")
    assert b"Something went wrong" in shown.body
    assert headers[b"x-request-id"] in shown.body
    assert b"a detail" not in shown.body
    assert "a detail" in caplog.text
    for path, accept in (("/broken", "application/json"), ("/sso/broken", BROWSER)):
        answer = await failing.respond(scope_of(path, accept), nothing)
        assert (answer.status, answer.body[:1]) == (500, b"{")


@pytest.mark.parametrize(("path", "wait"), [("/busy", b"2"), ("/unreadable", b"1")])
async def test_unavailability_is_a_page_that_says_when_to_retry(
    failing: Dispatcher, path: str, wait: bytes
) -> None:
    shown = await failing.respond(scope_of(path, BROWSER), nothing)
    headers = shown.headers()
    assert (shown.status, dict(headers)[b"content-type"]) == (503, b"text/html; charset=utf-8")
    assert [value for name, value in headers if name == b"retry-after"] == [wait]
    assert "right now" in shown.body.decode()
    assert b"a detail" not in shown.body


async def test_an_error_page_that_cannot_be_rendered_is_json(
    failing: Dispatcher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def no_templates() -> None:
        raise OSError("too many open files")

    monkeypatch.setattr(templating, "load", no_templates)
    answer = await failing.respond(scope_of("/nowhere", BROWSER), nothing)
    assert (answer.status, answer.body[:1]) == (404, b"{")
    assert "the error page could not be rendered" in caplog.text


def test_every_path_of_the_api_is_known_to_the_error_pages() -> None:
    pages = ErrorPages(all_routes())
    for route in all_routes():
        is_page = route.tag == "pages"
        assert pages.wanted(route.path, BROWSER.encode()) == is_page, route.path
