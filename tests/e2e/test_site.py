"""The documentation site in a browser, on a phone and on a desktop: pages, pictures, diagrams, search."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Response, expect

from tests.support import documentation_site

pytestmark = pytest.mark.timeout(240)

PAGES = ("index", "quick-start", "install/systemd", "architecture", "how-to/console", "reference/events")
SIZES = {"phone": (390, 844), "desktop": (1280, 800)}
BROKEN_PICTURES = "[...document.images].filter(one => one.complete && !one.naturalWidth).map(one => one.src)"
WIDER_THAN_THE_SCREEN = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name in the library
        """Drop the line."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = documentation_site.build(tmp_path_factory.mktemp("site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def complaints() -> list[str]:
    """What went wrong on the pages that `opened` has opened."""
    return []


@pytest.fixture
def opened(
    context: Callable[..., BrowserContext], address: str, complaints: list[str]
) -> Callable[[str, str], Page]:
    def said(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    def answered(response: Response) -> None:
        if response.status >= 400 or not response.url.startswith((address, "data:", "blob:")):
            complaints.append(f"{response.status} {response.url}")

    def open_page(name: str, size: str) -> Page:
        width, height = SIZES[size]
        page = context(viewport={"width": width, "height": height}).new_page()
        page.on("console", said)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("response", answered)
        page.goto(f"{address}/{name}.html", wait_until="networkidle")
        return page

    return open_page


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_its_pictures_without_an_error_and_fits(
    opened: Callable[[str, str], Page], complaints: list[str], name: str, size: str
) -> None:
    page = opened(name, size)
    expect(page.locator("article h1")).to_be_visible()
    for picture in page.locator("article img").all():
        picture.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    assert page.evaluate(BROKEN_PICTURES) == []
    assert page.evaluate(WIDER_THAN_THE_SCREEN) <= 0
    assert complaints == []


@pytest.mark.parametrize("size", SIZES)
def test_diagrams_have_text_and_one_drawing_for_each_color_scheme(
    opened: Callable[[str, str], Page], size: str
) -> None:
    page = opened("architecture", size)
    shown, hidden = page.locator(".diagram-light svg"), page.locator(".diagram-dark svg")
    assert shown.count() == hidden.count() > 0
    for number in range(shown.count()):
        drawing = shown.nth(number)
        drawing.scroll_into_view_if_needed()
        expect(drawing).to_be_visible()
        box = drawing.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 40
        labels = drawing.locator("text, foreignObject")
        assert len([text for text in labels.all_text_contents() if text.strip()]) > 3
        expect(hidden.nth(number)).to_be_hidden()


@pytest.mark.parametrize(
    ("word", "page_name"),
    [("docker", "install/"), ("kubernetes", "install/"), ("helm", "install/"), ("install", "install/")],
)
def test_searching_lists_the_page_for_it(
    opened: Callable[[str, str], Page], complaints: list[str], word: str, page_name: str
) -> None:
    page = opened("index", "desktop")
    page.locator(".md-search__input").click()
    page.locator(".md-search__input").press_sequentially(word)
    found = page.locator(".md-search-result__item > a")
    expect(found.first).to_be_visible()
    first = [link.get_attribute("href") or "" for link in found.all()[:5]]
    assert any(page_name in link for link in first), first
    assert complaints == []


def test_cards_of_the_home_page_lead_to_existing_pages(opened: Callable[[str, str], Page]) -> None:
    page = opened("index", "desktop")
    links = [link.get_attribute("href") or "" for link in page.locator(".grid.cards a").all()]
    assert len(links) > 15
    for link in dict.fromkeys(links):
        answer = page.request.get(page.url.rpartition("/")[0] + "/" + link.partition("#")[0])
        assert answer.status == 200, link
