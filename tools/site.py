"""A hook of mkdocs: content from outside docs/, and links to files that are not pages.

The quick start is the README's tour, which a test runs, so that it is written once. Links to other files of
the repository become plain text, because the site does not contain them.
"""

import re
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
TOUR: Final = re.compile(r"<!-- tour:start -->(.*?)<!-- tour:end -->", re.DOTALL)
LINK: Final = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
QUICK_START: Final = "quick-start.md"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:  # noqa: ANN401 - mkdocs' types
    """Insert the tour and replace links that leave docs/ by their text."""
    source = str(page.file.src_path)
    if source == QUICK_START:
        found = TOUR.search((ROOT / "README.md").read_text(encoding="utf-8"))
        markdown = markdown.replace("<!-- tour -->", found.group(1) if found else "")
    return LINK.sub(lambda match: _kept(match, DOCS / source), markdown)


def _kept(match: re.Match[str], page: Path) -> str:
    text, target = match.groups()
    name = target.partition("#")[0]
    if "://" in target or not name or target.startswith("mailto:"):
        return match.group(0)
    there = (page.parent / name).resolve()
    return match.group(0) if there.is_relative_to(DOCS) and there.is_file() else text
