"""The catalogues say the same things in every language, and the right language is chosen."""

import re

import pytest

from authfactor.http.pages import translations


def spoken(language: str) -> dict[str, str]:
    texts = translations.read_texts(language)
    return {name: text for name, text in texts.items() if name.split(".")[0] not in translations.ENGLISH_ONLY}


@pytest.mark.parametrize(
    "language", [tag for tag in translations.LANGUAGES if tag != translations.DEFAULT_LANGUAGE]
)
def test_every_language_says_everything_with_the_same_places(language: str) -> None:
    english, other = spoken(translations.DEFAULT_LANGUAGE), spoken(language)
    assert other.keys() == english.keys()
    for name, text in english.items():
        assert re.findall(r"\{\w+\}", other[name]) == re.findall(r"\{\w+\}", text) or (
            sorted(re.findall(r"\{\w+\}", other[name])) == sorted(re.findall(r"\{\w+\}", text))
        ), name
        assert other[name] != text or len(text) < 25, f"{name} is not translated"


@pytest.mark.parametrize(
    ("accepted", "preferred", "language"),
    [
        ("", (), "en"),
        ("de", (), "de"),
        ("de-CH,de;q=0.9,en;q=0.8", (), "de"),
        ("fr, en;q=0.3, de;q=0.7", (), "de"),
        ("de;q=0, en", (), "en"),
        ("de;q=x, en", (), "en"),
        ("fr", (), "en"),
        ("en", ("de_AT",), "de"),
        ("de", ("xx", None), "de"),
        ("," * 5000, (), "en"),
    ],
)
def test_the_language_is_the_preferred_one_else_the_browser_s(
    accepted: str, preferred: tuple[str | None, ...], language: str
) -> None:
    assert translations.choose_language(accepted, *preferred) == language


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (1, "1 second"),
        (59_000, "59 seconds"),
        (60_000, "60 seconds"),
        (61_000, "2 minutes"),
        (900_000, "15 minutes"),
        (5_400_000, "2 hours"),
    ],
)
def test_a_duration_is_rounded_up(milliseconds: int, text: str) -> None:
    assert translations.catalog("en").duration(milliseconds) == text


def test_an_unknown_name_is_an_error_and_not_an_empty_text() -> None:
    with pytest.raises(KeyError):
        translations.catalog("en")("common.no_such_text")
