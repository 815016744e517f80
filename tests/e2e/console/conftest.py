"""A real browser (Debian's Chromium) against a real server."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize

from tests.support.server_process import Server, running

WIDE: Final = ViewportSize(width=1280, height=900)
SECONDS: Final = 15_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder, so that it runs where a browser is asked for."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def e2e_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all, with cheap settings for what a person would wait for."""
    data = tmp_path_factory.mktemp("e2e") / "data"
    with running(
        data, {"AUTHFACTOR_TEAM_NAME": "Acme", "AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true"}
    ) as server:
        yield server


@pytest.fixture
def new_context(browser: Browser, e2e_server: Server) -> Iterator[Callable[..., BrowserContext]]:
    """Open a browser of somebody's own: no cookies, and nothing that the page complains of."""
    opened: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:  # noqa: ANN401 - any option of Playwright
        context = browser.new_context(
            **{"base_url": e2e_server.url, "viewport": WIDE, "locale": "en-GB", **options}
        )
        context.set_default_timeout(SECONDS)
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    return watched(new_context().new_page())


class Troubles(list[str]):
    """What went wrong in a page by itself."""

    def note(self, message: ConsoleMessage) -> None:
        # A refused request is what some tests are about; they look at the answer.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.append(message.text)


_TROUBLES: WeakKeyDictionary[Page, Troubles] = WeakKeyDictionary()


def watched(page: Page) -> Page:
    """Remember when the page breaks its own content security policy or throws."""
    troubles = _TROUBLES[page] = Troubles()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", troubles.note)
    return page


def assert_quiet(page: Page) -> None:
    assert _TROUBLES[page] == []


def assert_accessible(page: Page) -> None:
    """Check a page with axe: no violation, contrast included."""
    package = find_spec("axe_playwright_python")
    assert package is not None
    assert package.origin is not None
    page.evaluate(Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    told = [
        f"{violation['id']}: {violation['help']}: {[node['html'] for node in violation['nodes'][:3]]}"
        for violation in found["violations"]
    ]
    assert not told, f"{page.url}\n" + "\n".join(told)
