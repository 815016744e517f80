"""Pages and static files over HTTP, and their side effects on the API and the command line."""

import asyncio
import gzip
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import jinja2
import pytest

from authfactor import reference
from authfactor.core import Authfactor
from authfactor.http import app
from authfactor.http.pages import assets, templating
from authfactor.http.pages.page_request import PageRequest, respond_with
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.settings import Settings
from tests.support.server_process import API_KEY, Server, fields, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("assets") / "data") as running_server:
        yield running_server


@pytest.fixture(scope="session")
def browser(server: Server) -> Iterator[httpx.Client]:
    with server.client(key=None) as client:
        yield client


@pytest.mark.parametrize("name", sorted(assets.files()))
def test_static_files_are_compressed_and_cached_for_a_year(browser: httpx.Client, name: str) -> None:
    asset = assets.files()[name]
    response = browser.get(asset.url, headers={"accept-encoding": "gzip"})
    assert response.status_code == 200
    assert response.content == asset.plain
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-type"].encode() == asset.content_type
    assert gzip.decompress(asset.compressed) == asset.plain
    plain = browser.get(asset.url, headers={"accept-encoding": "identity"})
    assert (plain.content, plain.headers.get("content-encoding")) == (asset.plain, None)


def test_outdated_asset_url_serves_the_current_file_uncached(browser: httpx.Client) -> None:
    response = browser.get("/assets/authfactor.000000000000.css")
    assert response.content == assets.files()["authfactor.css"].plain
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["x.000000000000.css", "vendored.0.toml", "..%2fvisit.0.py", "a", ""])
def test_unknown_asset_is_404(browser: httpx.Client, name: str) -> None:
    assert browser.get(f"/assets/{name}").status_code == 404


def test_assets_are_not_in_the_openapi_document(browser: httpx.Client) -> None:
    assert not [path for path in fields(browser.get("/openapi.json"), 200)["paths"] if "assets" in path]


def test_api_responses_have_no_page_headers(server: Server) -> None:
    with server.client(API_KEY) as client:
        headers = client.get("/user_management/users").headers
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["referrer-policy"] == "no-referrer"
    assert "content-security-policy" not in headers


@pytest.mark.parametrize("imported", ["authfactor.cli", "authfactor.http.app"])
def test_cli_and_api_do_not_import_the_template_library(imported: str) -> None:
    script = f"import sys, {imported}; print(sorted({{'jinja2', 'markupsafe'}} & set(sys.modules)))"
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "[]"


async def test_templates_are_compiled_before_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "PREPARE_PAGES_AFTER_SECONDS", 0)
    templating._compile_all.cache_clear()
    reference.endpoints.cache_clear()
    [prepare] = [task for task in app.BACKGROUND_TASKS if task.__name__ == "_prepare_pages"]
    async with asyncio.timeout(30):
        await prepare(cast("Authfactor", SimpleNamespace(settings=Settings())))
    assert templating._compile_all.cache_info().currsize == 1
    assert reference.endpoints.cache_info().currsize == 1


async def test_unexpected_failure_shows_a_reference_without_details(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_request: PageRequest) -> Response:
        raise ZeroDivisionError("a detail")

    af = await Authfactor.open(Settings(data=tmp_path))
    try:
        request = Request(af, "GET", "/broken/secret-token", b"", {}, b"", (), 200)
        response = await respond_with(broken)(request)
    finally:
        await af.close()
    assert response.status == 500
    html = response.body.decode()
    assert "Something went wrong" in html
    assert "a detail" not in html
    reference = html.partition("mention this reference: ")[2][:12]
    assert f"unexpected failure on page broken, reference {reference}" in caplog.text
    assert "secret-token" not in caplog.text


async def test_template_is_compiled_once_for_the_first_requests_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled: Counter[str] = Counter()
    compile_template = jinja2.Environment.compile

    def count(env: jinja2.Environment, source: str, name: str, filename: str) -> object:
        compiled[name] += 1
        return compile_template(env, source, name, filename)

    monkeypatch.setattr(jinja2.Environment, "compile", count)
    templating.environment.cache_clear()
    templating._compile_all.cache_clear()
    await asyncio.gather(*(templating.load() for _ in range(8)))
    assert set(compiled.values()) == {1}
