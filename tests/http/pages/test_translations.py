"""The message catalogs are complete in every language, and the right language is chosen."""

import re

import pytest

from authfactor.http.pages import translations


def translatable(language: str) -> dict[str, str]:
    texts = translations.read_texts(language)
    return {name: text for name, text in texts.items() if name.split(".")[0] not in translations.ENGLISH_ONLY}


@pytest.mark.parametrize(
    "language", [tag for tag in translations.LANGUAGES if tag != translations.DEFAULT_LANGUAGE]
)
def test_every_text_is_translated_with_the_same_placeholders(language: str) -> None:
    english, translated = translatable(translations.DEFAULT_LANGUAGE), translatable(language)
    assert translated.keys() == english.keys()
    for name, text in english.items():
        assert re.findall(r"\{\w+\}", translated[name]) == re.findall(r"\{\w+\}", text) or (
            sorted(re.findall(r"\{\w+\}", translated[name])) == sorted(re.findall(r"\{\w+\}", text))
        ), name
        assert translated[name] != text or len(text) < 25, f"{name} is not translated"


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
def test_preferred_language_overrides_the_browsers(
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
def test_duration_is_rounded_up(milliseconds: int, text: str) -> None:
    assert translations.catalog("en").duration(milliseconds) == text


def test_unknown_text_name_raises() -> None:
    with pytest.raises(KeyError):
        translations.catalog("en")("common.no_such_text")
