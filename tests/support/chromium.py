"""Debian's chromium, driven by Playwright. Nothing is downloaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

OPTIONS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
]


@contextmanager
def chromium(program: Path) -> Iterator[Browser]:
    """Run a browser until the end of the block."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(program), args=OPTIONS)
        yield launched
        launched.close()
