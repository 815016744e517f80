"""A real browser and a real server."""

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.browser_user import BrowserUser, Setting
from tests.support.chromium import chromium
from tests.support.server_process import Server, assert_no_surprise, fields
from tests.support.web_application import Application, application

TIMEOUT_MILLISECONDS: Final = 15_000
WELCOME: Final = "/welcome"


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder: Playwright's event loop goes on, and would break other tests."""
    folder = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(folder):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def app() -> Iterator[Application]:
    with application() as running:
        yield running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, app: Application) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("e2e") / "data", {"AUTHFACTOR_TEAM_NAME": "Acme"})
    started._environment["AUTHFACTOR_BASE_URL"] = started.url
    started.start()
    updated = started.run("environments", "update", "default", "--page-redirect", app.url + WELCOME)
    assert updated.returncode == 0, updated.stderr
    yield started
    assert started.stop() == 0, started.output()
    assert_no_surprise(started)


@pytest.fixture(scope="session")
def api(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="session")
def browser(needs: Callable[[str], Path]) -> Iterator[Browser]:
    with chromium(needs("chromium")) as launched:
        yield launched


@pytest.fixture
def context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Open isolated browser contexts; keyword arguments are Playwright's."""
    opened: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:  # noqa: ANN401 - Playwright's own
        created = browser.new_context(**({"locale": "en-GB"} | options))
        created.set_default_timeout(TIMEOUT_MILLISECONDS)
        opened.append(created)
        return created

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def page(context: Callable[..., BrowserContext]) -> Page:
    return context().new_page()


@pytest.fixture
def setting(api: httpx.Client, server: Server, app: Application) -> Setting:
    return Setting(api, server, app)


@pytest.fixture
def user(setting: Setting) -> BrowserUser:
    """A user with an account and no factor yet."""
    email = f"pat.{uuid.uuid4().hex[:8]}@example.org"
    made = fields(setting.api.post("/user_management/users", json={"email": email}), 201)
    return BrowserUser(setting, str(made["id"]), email)


@pytest.fixture
def expire(server: Server) -> Callable[[str], None]:
    """Return a function that makes a link expire."""

    def expire_link(link_id: str) -> None:
        with closing(sqlite3.connect(server.data / "authfactor.db", timeout=20)) as database, database:
            assert database.execute("UPDATE links SET expires_at = 1 WHERE id = ?", (link_id,)).rowcount == 1

    return expire_link
