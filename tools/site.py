"""A hook of mkdocs: content from outside docs/, links to files that are not pages, and diagrams.

The quick start is the README's tour, which a test runs, so that it is written once. Links to other files of
the repository become plain text, because the site does not contain them. Mermaid diagrams become SVG, one for
each color scheme: the site loads no script from another host.
"""

import re
from pathlib import Path
from typing import Any, Final

import mermaidx

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
TOUR: Final = re.compile(r"<!-- tour:start -->(.*?)<!-- tour:end -->", re.DOTALL)
LINK: Final = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
QUICK_START: Final = "quick-start.md"
DIAGRAM: Final = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DRAWN: Final = re.compile(r'<div class="diagram" data-number="(\d+)"></div>')
THEMES: Final = {"default": "diagram-light", "dark": "diagram-dark"}

_sources: list[str] = []


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:  # noqa: ANN401 - mkdocs' types
    """Insert the tour and replace links that leave docs/ by their text."""
    source = str(page.file.src_path)
    if source == QUICK_START:
        found = TOUR.search((ROOT / "README.md").read_text(encoding="utf-8"))
        markdown = markdown.replace("<!-- tour -->", found.group(1) if found else "")
    markdown = DIAGRAM.sub(_placeholder, markdown)
    return LINK.sub(lambda match: _kept(match, DOCS / source), markdown)


def _kept(match: re.Match[str], page: Path) -> str:
    text, target = match.groups()
    name = target.partition("#")[0]
    if "://" in target or not name or target.startswith("mailto:"):
        return match.group(0)
    there = (page.parent / name).resolve()
    return match.group(0) if there.is_relative_to(DOCS) and there.is_file() else text


def on_page_content(html: str, **_: Any) -> str:  # noqa: ANN401 - mkdocs' types
    """Draw the diagrams of a page."""
    return DRAWN.sub(lambda match: _drawn(int(match.group(1))), html)


def _placeholder(match: re.Match[str]) -> str:
    _sources.append(match.group(1))
    return f'<div class="diagram" data-number="{len(_sources) - 1}"></div>'


def _drawn(number: int) -> str:
    figures = []
    for theme, style in THEMES.items():
        drawing = mermaidx.render(_sources[number], theme=theme).svg()
        # The styles of a drawing are bound to its id, which has to be unique on the page.
        drawing = drawing.replace("my-svg", f"{style}-{number}")
        figures.append(f'<div class="diagram {style}">{drawing}</div>')
    return "".join(figures)
