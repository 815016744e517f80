"""A hook of mkdocs: folders in the navigation, links to other files, diagrams, and code in tables.

An entry of the navigation that ends in a slash stands for all pages of that folder. Links to other files of
the repository become plain text, because the site does not contain them. Mermaid diagrams become SVG, one for
each color scheme: the site loads no script from another host. Code in tables may break after an underscore or
a slash.
"""

import re
from pathlib import Path
from typing import Any, Final

import mermaidx

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
LINK: Final = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
DIAGRAM: Final = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DRAWN: Final = re.compile(r'<div class="diagram" data-number="(\d+)"></div>')
CELL: Final = re.compile(r"<td\b.*?</td>", re.DOTALL)
CODE: Final = re.compile(r"(?<=<code>)[^<]*(?=</code>)")
BREAK: Final = re.compile(r"(?<=[_/])(?=\w)")
THEMES: Final = {"default": "diagram-light", "dark": "diagram-dark"}

_sources: list[str] = []


def on_config(config: Any, **_: Any) -> Any:  # noqa: ANN401 - mkdocs' types
    """Replace each folder in the navigation by its pages, the index first."""
    config.nav = [_expanded(entry) for entry in config.nav]
    return config


def _expanded(entry: Any) -> Any:  # noqa: ANN401 - an entry of mkdocs' navigation
    """Return an entry of the navigation without folders."""
    if isinstance(entry, dict):
        return {title: _expanded(below) for title, below in entry.items()}
    if isinstance(entry, list):
        return [_expanded(each) for each in entry]
    if not entry.endswith("/"):
        return entry
    names = {path.name for path in (DOCS / entry).glob("*.md")} - {"index.md"}
    return [f"{entry}index.md", *(f"{entry}{name}" for name in sorted(names))]


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:  # noqa: ANN401 - mkdocs' types
    """Replace links that leave docs/ by their text, and diagrams by places that are drawn later."""
    markdown = DIAGRAM.sub(_placeholder, markdown)
    return LINK.sub(lambda match: _kept(match, DOCS / str(page.file.src_path)), markdown)


def _kept(match: re.Match[str], page: Path) -> str:
    text, target = match.groups()
    name = target.partition("#")[0]
    if "://" in target or not name or target.startswith("mailto:"):
        return match.group(0)
    there = (page.parent / name).resolve()
    return match.group(0) if there.is_relative_to(DOCS) and there.is_file() else text


def on_page_content(html: str, **_: Any) -> str:  # noqa: ANN401 - mkdocs' types
    """Draw the diagrams of a page, and let code in its tables break."""
    html = CELL.sub(lambda cell: CODE.sub(lambda code: BREAK.sub("<wbr>", code.group()), cell.group()), html)
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
