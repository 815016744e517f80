"""Pages and static files over HTTP, and what they must not cost the rest."""

import asyncio
import gzip
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest

from authfactor import reference
from authfactor.core import Authfactor
from authfactor.http import app
from authfactor.http.pages import assets, templating
from authfactor.http.pages.page_request import PageRequest, page
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.settings import Settings
from tests.support.server_process import API_KEY, Server, fields, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("assets") / "data") as started:
        yield started


@pytest.fixture(scope="session")
def browser(server: Server) -> Iterator[httpx.Client]:
    with server.client(key=None) as client:
        yield client


@pytest.mark.parametrize("name", sorted(assets.files()))
def test_a_static_file_may_be_kept_for_a_year_and_comes_compressed(browser: httpx.Client, name: str) -> None:
    asset = assets.files()[name]
    answer = browser.get(asset.url, headers={"accept-encoding": "gzip"})
    assert answer.status_code == 200
    assert answer.content == asset.plain
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"].encode() == asset.content_type
    assert gzip.decompress(asset.compressed) == asset.plain
    plain = browser.get(asset.url, headers={"accept-encoding": "identity"})
    assert (plain.content, plain.headers.get("content-encoding")) == (asset.plain, None)


def test_a_static_file_under_an_old_name_is_the_new_one_and_is_not_kept(browser: httpx.Client) -> None:
    answer = browser.get("/assets/authfactor.000000000000.css")
    assert answer.content == assets.files()["authfactor.css"].plain
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["x.000000000000.css", "vendored.0.toml", "..%2fvisit.0.py", "a", ""])
def test_nothing_else_is_served(browser: httpx.Client, name: str) -> None:
    assert browser.get(f"/assets/{name}").status_code == 404


def test_pages_are_no_part_of_the_api_s_description(browser: httpx.Client) -> None:
    assert not [path for path in fields(browser.get("/openapi.json"), 200)["paths"] if "assets" in path]


def test_answers_of_the_api_are_labelled_as_before(server: Server) -> None:
    with server.client(API_KEY) as client:
        headers = client.get("/user_management/users").headers
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["referrer-policy"] == "no-referrer"
    assert "content-security-policy" not in headers


@pytest.mark.parametrize("imported", ["authfactor.cli", "authfactor.http.app"])
def test_neither_the_command_line_nor_the_api_loads_the_template_library(imported: str) -> None:
    script = f"import sys, {imported}; print(sorted({{'jinja2', 'markupsafe'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_pages_are_compiled_before_somebody_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "PREPARE_PAGES_AFTER_SECONDS", 0)
    templating._compile_all.cache_clear()
    reference.endpoints.cache_clear()
    [prepare] = [work for work in app.BACKGROUND_TASKS if work.__name__ == "_prepare_pages"]
    async with asyncio.timeout(30):
        await prepare(cast("Authfactor", SimpleNamespace(settings=Settings())))
    assert templating._compile_all.cache_info().currsize == 1
    assert reference.endpoints.cache_info().currsize == 1


async def test_an_unexpected_failure_is_a_page_with_a_reference_and_no_detail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_visit: PageRequest) -> Response:
        raise ZeroDivisionError("a detail")

    af = await Authfactor.open(Settings(data=tmp_path))
    try:
        call = Request(af, "GET", "/broken/secret-token", b"", {}, b"", (), 200)
        answer = await page("GET", "/broken/{token}", broken, "Broken").handler(call)
    finally:
        await af.close()
    assert answer.status == 500
    shown = answer.body.decode()
    assert "Something went wrong" in shown
    assert "a detail" not in shown
    reference = shown.partition("mention this reference: ")[2][:12]
    assert f"unexpected failure on page broken, reference {reference}" in caplog.text
    assert "secret-token" not in caplog.text
