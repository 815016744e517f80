"""The API reference pages over HTTP: content, size, search, and the remembered language."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from authfactor import reference
from authfactor.http.pages import docs_pages
from tests.support.server_process import Server, running

PATHS = [
    "/docs",
    "/docs/guide",
    "/docs/errors",
    *(f"/docs/{endpoint.slug}" for endpoint in reference.endpoints().values()),
]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("docs") / "data", {"AUTHFACTOR_DOCS_TRY": "true"}) as running_server:
        yield running_server


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    with server.client(key=None) as client:
        yield client


def visible_text(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("language", reference.LANGUAGES)
def test_every_page_renders_in_every_language_under_60_kib(
    browser: httpx.Client, path: str, language: str
) -> None:
    response = browser.get(path, params={"lang": language})
    assert response.status_code == 200
    assert len(response.content) < 60 * 1024
    assert response.headers["content-security-policy"].count("script-src 'self'") == 1
    assert "<script>" not in response.text
    assert " style=" not in response.text


@pytest.mark.parametrize("page", reference.endpoints().values(), ids=lambda page: page.name)
@pytest.mark.parametrize("language", reference.LANGUAGES)
def test_endpoint_page_shows_sample_parameters_response_and_check(
    browser: httpx.Client, page: reference.Endpoint, language: str
) -> None:
    text = visible_text(browser.get(f"/docs/{page.slug}", params={"lang": language}).text)
    shown_language = language if language in page.reference else "curl"
    plain = page.name in reference.samples().get(f"{language}-http", {})
    edition = f"{language}-http" if plain else shown_language
    assert reference.samples()[edition][page.name].code in text
    if newest := reference.samples().get(f"{language}-newest", {}).get(page.name):
        assert newest.code in text
        assert f"with version {reference.recorded().checked[f'{language}-newest'][page.name][4:]} of" in text
    if plain:
        assert f"sends the request with {docs_pages.CLIENTS[language]}." in text
    elif shown_language != language:
        assert "has no method for this endpoint" in text
    for parameter in reference.flat(page.reference[shown_language].parameters):
        assert parameter.key in text
    if body := reference.recorded().answers[page.name].body:
        assert body in text
    for code in page.errors:
        assert reference.error_codes()[code].meaning.replace("`", "") in text
    check = reference.recorded().checked[edition][page.name].split()
    assert {"run": "This code runs", "replayed": "is replayed", "parsed": "Only the syntax"}[check[0]] in text
    assert all(version in text for version in check[1:])


def test_no_link_is_broken(browser: httpx.Client) -> None:
    links = {link for path in PATHS for link in re.findall(r'href="(/[^"#?]*)', browser.get(path).text)}
    assert len(links) > 30
    assert {
        link: browser.get(link).status_code for link in links if browser.get(link).status_code != 200
    } == {}


def test_chosen_language_is_remembered(browser: httpx.Client) -> None:
    def current_language(path: str) -> str:
        return re.search(r'\?lang=(\w+)#samples" aria-current="true"', browser.get(path).text)[1]  # type: ignore[index]  # the pattern matches

    assert current_language("/docs/get-user") == "curl"
    assert current_language("/docs/get-user?lang=go") == "go"
    assert current_language("/docs/delete-user") == "go"
    assert current_language("/docs/delete-user?lang=cobol") == "curl"
    assert current_language("/docs/guide?lang=ruby") == "ruby"
    assert current_language("/docs/get-user") == "ruby"
    (cookie,) = browser.get("/docs?lang=js").headers.get_list("set-cookie")
    assert "docs_language=js" in cookie
    assert "HttpOnly" in cookie
    assert "set-cookie" not in browser.get("/docs?lang=<b>").headers


def test_search_finds_titles_paths_and_method_names(browser: httpx.Client) -> None:
    def search(query: str) -> set[str]:
        page = browser.get("/docs", params={"q": query}).text
        return set(re.findall(r'<li data-text="[^"]*"><a href="/docs/([a-z0-9-]+)"', page))

    assert search("enrollAuthFactor") == {"enroll-auth-factor"}
    assert search("list session") == {"list-sessions"}
    assert "authenticate-with-totp" in search("/user_management/authenticate")
    assert search("nothing of the kind") == set()
    assert len(search("")) == len(reference.endpoints())
    assert "&lt;script&gt;" in browser.get("/docs", params={"q": "<script>"}).text


@pytest.mark.parametrize("name", ["nothing", "enroll_auth_factor", "Guide", "..%2fdocs", "%00"])
def test_unknown_page_is_404(browser: httpx.Client, name: str) -> None:
    assert browser.get(f"/docs/{name}").status_code == 404


def test_try_form_is_opt_in_and_pages_can_be_disabled(tmp_path: Path) -> None:
    with running(tmp_path / "plain") as server, server.client(key=None) as client:
        page = client.get("/docs/get-user")
        assert page.status_code == 200
        assert "data-try" not in page.text
    with running(tmp_path / "off", {"AUTHFACTOR_DOCS": "false"}) as server, server.client(key=None) as client:
        assert {client.get(path).status_code for path in PATHS} == {404}


def test_try_form_has_a_key_field_where_the_endpoint_needs_one(browser: httpx.Client) -> None:
    assert "data-key" in browser.get("/docs/get-user").text
    assert "data-key" not in browser.get("/docs/authenticate-with-password").text
    page = browser.get("/docs/get-user").text
    # Nothing that a browser would submit by itself: no action, no field names, no autocomplete.
    form = page[page.index("<form") :]
    assert ' name="' not in form
    assert 'action="' not in form
    assert 'autocomplete="off"' in form


def test_docs_pages_are_not_in_the_openapi_document(browser: httpx.Client) -> None:
    assert not [path for path in browser.get("/openapi.json").json()["paths"] if path.startswith("/docs")]
