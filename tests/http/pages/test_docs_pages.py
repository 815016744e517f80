"""The pages of the reference over HTTP: whole, small, and remembering the language."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from authfactor import reference
from tests.support.server_process import Server, running

PATHS = [
    "/docs",
    "/docs/guide",
    "/docs/errors",
    *(f"/docs/{one.slug}" for one in reference.endpoints().values()),
]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("docs") / "data", {"AUTHFACTOR_DOCS_TRY": "true"}) as started:
        yield started


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    with server.client(key=None) as client:
        yield client


def words(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("language", reference.LANGUAGES)
def test_every_page_renders_in_every_language_and_is_small(
    browser: httpx.Client, path: str, language: str
) -> None:
    answer = browser.get(path, params={"lang": language})
    assert answer.status_code == 200
    assert len(answer.content) < 60 * 1024
    assert answer.headers["content-security-policy"].count("script-src 'self'") == 1
    assert "<script>" not in answer.text
    assert " style=" not in answer.text


@pytest.mark.parametrize("page", reference.endpoints().values(), ids=lambda page: page.name)
@pytest.mark.parametrize("language", reference.LANGUAGES)
def test_a_page_shows_sample_parameters_answer_and_how_it_was_checked(
    browser: httpx.Client, page: reference.Endpoint, language: str
) -> None:
    text = words(browser.get(f"/docs/{page.slug}", params={"lang": language}).text)
    shown = language if language in page.reference else "curl"
    assert reference.samples()[shown][page.name].code in text
    if shown != language:
        assert "has no method for this endpoint" in text
    for one in reference.flat(page.reference[shown].parameters):
        assert one.key in text
    if body := reference.recorded().answers[page.name].body:
        assert body in text
    for code in page.errors:
        assert reference.error_codes()[code].meaning.replace("`", "") in text
    how = reference.recorded().checked[shown][page.name].split()
    assert {"run": "This code runs", "replayed": "is replayed", "parsed": "Only the syntax"}[how[0]] in text
    assert all(version in text for version in how[1:])


def test_every_link_leads_somewhere(browser: httpx.Client) -> None:
    links = {link for path in PATHS for link in re.findall(r'href="(/[^"#?]*)', browser.get(path).text)}
    assert len(links) > 30
    assert {
        link: browser.get(link).status_code for link in links if browser.get(link).status_code != 200
    } == {}


def test_the_language_is_remembered_until_another_is_picked(browser: httpx.Client) -> None:
    def shown(path: str) -> str:
        return re.search(r'\?lang=(\w+)#samples" aria-current="true"', browser.get(path).text)[1]  # type: ignore[index]  # there

    assert shown("/docs/get-user") == "curl"
    assert shown("/docs/get-user?lang=go") == "go"
    assert shown("/docs/delete-user") == "go"
    assert shown("/docs/delete-user?lang=cobol") == "curl"
    assert shown("/docs/guide?lang=ruby") == "ruby"
    assert shown("/docs/get-user") == "ruby"
    (cookie,) = browser.get("/docs?lang=js").headers.get_list("set-cookie")
    assert "docs_language=js" in cookie
    assert "HttpOnly" in cookie
    assert "set-cookie" not in browser.get("/docs?lang=<b>").headers


def test_a_search_finds_titles_paths_and_methods_of_any_language(browser: httpx.Client) -> None:
    def found(query: str) -> set[str]:
        page = browser.get("/docs", params={"q": query}).text
        return set(re.findall(r'<li data-text="[^"]*"><a href="/docs/([a-z0-9-]+)"', page))

    assert found("enrollAuthFactor") == {"enroll-auth-factor"}
    assert found("list session") == {"list-sessions"}
    assert "authenticate-with-totp" in found("/user_management/authenticate")
    assert found("nothing of the kind") == set()
    assert len(found("")) == len(reference.endpoints())
    assert "&lt;script&gt;" in browser.get("/docs", params={"q": "<script>"}).text


@pytest.mark.parametrize("name", ["nothing", "enroll_auth_factor", "Guide", "..%2fdocs", "%00"])
def test_another_name_is_no_page(browser: httpx.Client, name: str) -> None:
    assert browser.get(f"/docs/{name}").status_code == 404


def test_only_a_server_that_is_told_to_offers_to_try_and_none_need_show_the_pages(tmp_path: Path) -> None:
    with running(tmp_path / "plain") as server, server.client(key=None) as client:
        page = client.get("/docs/get-user")
        assert page.status_code == 200
        assert "data-try" not in page.text
    with running(tmp_path / "off", {"AUTHFACTOR_DOCS": "false"}) as server, server.client(key=None) as client:
        assert {client.get(path).status_code for path in PATHS} == {404}


def test_the_form_asks_for_a_key_where_the_endpoint_does(browser: httpx.Client) -> None:
    assert "data-key" in browser.get("/docs/get-user").text
    assert "data-key" not in browser.get("/docs/authenticate-with-password").text
    page = browser.get("/docs/get-user").text
    # Nothing that a browser would send by itself: no action, no name, no autocomplete.
    form = page[page.index("<form") :]
    assert ' name="' not in form
    assert 'action="' not in form
    assert 'autocomplete="off"' in form


def test_pages_are_no_part_of_the_api_s_description(browser: httpx.Client) -> None:
    assert not [path for path in browser.get("/openapi.json").json()["paths"] if path.startswith("/docs")]
