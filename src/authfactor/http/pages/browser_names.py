"""Browsers and systems in plain words, from a `User-Agent` header (RFC 9110 section 10.1.5).

Clients write what they like there: the names say what a browser claims to be, for people who look for a
sign-in that was not theirs.
"""

import re
from typing import Final, NamedTuple

# In this order: most browsers also name those that they resemble.
_BROWSERS: Final = (
    (("Edg/", "EdgA/", "EdgiOS/"), "Edge"),
    (("OPR/", "OPiOS/"), "Opera"),
    (("SamsungBrowser/",), "Samsung Internet"),
    (("Firefox/", "FxiOS/"), "Firefox"),
    (("Chrome/", "CriOS/", "Chromium/"), "Chrome"),
    (("Safari/",), "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
# A program's name and version, such as `python-httpx/0.28.1`.
_PROGRAM: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]{0,31})/\d")


class BrowserName(NamedTuple):
    """What a client claims to be; None where it does not say."""

    browser: str | None
    system: str | None


def browser_name(user_agent: str | None) -> BrowserName:
    """Return the browser, or the name of a program, and the system."""
    text = (user_agent or "")[:512]
    system = next((name for mark, name in _SYSTEMS if mark in text), None)
    for marks, name in _BROWSERS:
        if any(mark in text for mark in marks):
            return BrowserName(name, system)
    program = _PROGRAM.match(text)
    return BrowserName(program[1] if program and program[1] != "Mozilla" else None, system)
