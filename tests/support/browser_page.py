"""What a page in a real browser must not do: break its own rules by itself, or keep some of its users out."""

from importlib.util import find_spec
from pathlib import Path
from weakref import WeakKeyDictionary

from playwright.sync_api import ConsoleMessage, Page


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
