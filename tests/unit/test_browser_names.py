"""Browsers and systems in plain words."""

import pytest

from authfactor.http.pages import translations
from authfactor.http.pages.browser_names import browser_name
from authfactor.http.pages.dates import day, shown_time
from authfactor.http.pages.factor_rows import client_text

GECKO = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
BLINK = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36{}"
WEBKIT = "Mozilla/5.0 ({}) AppleWebKit/605.1.15 (KHTML, like Gecko) {}Safari/604.1"


@pytest.mark.parametrize(
    ("user_agent", "text"),
    [
        (GECKO, "Firefox on Linux"),
        (BLINK.format("Windows NT 10.0; Win64; x64", ""), "Chrome on Windows"),
        (BLINK.format("Windows NT 10.0; Win64; x64", " Edg/140.0.0.0"), "Edge on Windows"),
        (BLINK.format("X11; CrOS x86_64 14541.0.0", ""), "Chrome on ChromeOS"),
        (BLINK.format("Linux; Android 10; K", " OPR/90.0"), "Opera on Android"),
        (
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537 SamsungBrowser/28.0 Chrome/130.0 Safari/537",
            "Samsung Internet on Android",
        ),
        (WEBKIT.format("Macintosh; Intel Mac OS X 10_15_7", "Version/18.0 "), "Safari on macOS"),
        (WEBKIT.format("iPhone; CPU iPhone OS 18_0 like Mac OS X", "Version/18.0 "), "Safari on iPhone"),
        (WEBKIT.format("iPad; CPU OS 18_0 like Mac OS X", "CriOS/140.0 "), "Chrome on iPad"),
        (WEBKIT.format("iPhone; CPU iPhone OS 18_0 like Mac OS X", "FxiOS/145.0 "), "Firefox on iPhone"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("okhttp/4.12.0", "okhttp"),
        ("Mozilla/5.0 (Windows NT 6.1)", "Windows"),
        ("Mozilla/5.0", "Unknown browser"),
        ("<script>alert(1)</script>", "Unknown browser"),
        ("x" * 100_000 + " Firefox/1", "Unknown browser"),
        ("", "Unknown browser"),
        (None, "Unknown browser"),
    ],
)
def test_user_agent_is_named_in_plain_words(user_agent: str | None, text: str) -> None:
    assert client_text(translations.catalog("en"), user_agent) == text


def test_program_without_a_version_is_not_named() -> None:
    assert browser_name("something else") == (None, None)


@pytest.mark.parametrize(
    ("language", "date", "time"),
    [
        ("en", "9 March 2026", "9 March 2026, 08:05 UTC"),
        ("de", "9. März 2026", "9. März 2026, 08:05 UTC"),
    ],
)
def test_times_are_in_words_and_for_scripts(language: str, date: str, time: str) -> None:
    texts = translations.catalog(language)
    assert day(texts, 1_773_043_559_999) == date
    assert shown_time(texts, 1_773_043_559_999) == (time, "2026-03-09T08:05:59Z")


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_every_language_has_twelve_months(language: str) -> None:
    assert len(set(translations.catalog(language)("common.months").split())) == 12
