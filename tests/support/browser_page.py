"""Checks of a page in a real browser: no script errors, no policy violations, no accessibility violations."""

from importlib.util import find_spec
from pathlib import Path
from weakref import WeakKeyDictionary

from playwright.sync_api import ConsoleMessage, Page


class PageErrors(list[str]):
    """Errors of a page, other than failed requests."""

    def note(self, message: ConsoleMessage) -> None:
        # Some tests expect refused requests and check the response.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.append(message.text)


_PAGE_ERRORS: WeakKeyDictionary[Page, PageErrors] = WeakKeyDictionary()


def watched(page: Page) -> Page:
    """Record uncaught exceptions and content security policy violations of the page."""
    errors = _PAGE_ERRORS[page] = PageErrors()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", errors.note)
    return page


def assert_quiet(page: Page) -> None:
    assert _PAGE_ERRORS[page] == []


def assert_accessible(page: Page) -> None:
    """Check that axe finds no violation, contrast included."""
    package = find_spec("axe_playwright_python")
    assert package is not None
    assert package.origin is not None
    page.evaluate(Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8"))
    results = page.evaluate("axe.run()")
    messages = [
        f"{violation['id']}: {violation['help']}: {[node['html'] for node in violation['nodes'][:3]]}"
        for violation in results["violations"]
    ]
    assert not messages, f"{page.url}\n" + "\n".join(messages)
