"""What the page has: its programs by file name, and the shell commands of each section."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "how-to" / "sign-in.md"
_FENCE: Final = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
_SECTION: Final = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block: its language, the file that it belongs into, if any, and its text."""

    language: str
    file: str
    text: str


def sections(markdown: str) -> dict[str, list[Block]]:
    """Return the blocks of a page by the heading above them; those before the first heading under ''."""
    parts = _SECTION.split(markdown)
    named = [("", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    return {name: [Block(*found) for found in _FENCE.findall(text)] for name, text in named}


def program(blocks: Sequence[Block]) -> Block:
    """Return the one program of a section."""
    (found,) = (block for block in blocks if block.file)
    return found


def commands(blocks: Sequence[Block]) -> list[str]:
    """Return the shell commands of a section, each block as it is written."""
    return [block.text for block in blocks if block.language == "sh"]
