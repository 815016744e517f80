"""The texts of messages: complete in every language, escaped, and without secrets in subjects."""

import html
import re
import string
from typing import Any, get_args

import pytest

from authfactor.errors import InvalidRequest
from authfactor.models import BrandingRecord
from authfactor.models.messages import MessageKind
from authfactor.rules.messages import languages
from authfactor.rules.messages.kinds import KINDS, NOTICES
from authfactor.rules.messages.languages import FOLDER, LANGUAGES, choose_language, texts_in
from authfactor.rules.messages.rendering import (
    SAMPLE_VALUES,
    TEST,
    Brand,
    RenderedMessage,
    brand_of,
    render,
    sample,
)

MINUTE = 60_000
ALL_KINDS: list[Any] = [*KINDS, TEST]
MARKUP = '"><img src=x onerror=alert(1)>&{code}$body'


def rendered(kind: Any = "magic_auth", **given: Any) -> RenderedMessage:  # noqa: ANN401 - any argument
    fields = {"brand": Brand("Acme"), "locale": "en", "life": 10 * MINUTE, **given}
    return render(kind, fields.pop("values", SAMPLE_VALUES), **fields)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_file_is_a_language() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == LANGUAGES.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_has_every_text_with_the_placeholders_of_the_english_one(language: str) -> None:
    english, texts = texts_in("en"), texts_in(language)
    assert set(english) == {"common", *ALL_KINDS}
    assert {area: sorted(english[area]) for area in english} == {area: sorted(texts[area]) for area in texts}
    for area, own in texts.items():
        for name, text in own.items():
            assert placeholders(text) == placeholders(english[area][name]), (area, name)
            assert text.strip() == text
            assert text


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_language_is_translated(language: str) -> None:
    english = texts_in("en")
    for area, own in texts_in(language).items():
        same = [name for name, text in own.items() if text == english[area][name]]
        assert set(same) <= {"name", "minute", "minutes"}, area


def test_language_is_chosen_by_its_tag() -> None:
    assert choose_language(None, "de-AT") == "de"
    assert choose_language("ja_JP", "de") == "ja"
    assert choose_language("xx", None) == languages.DEFAULT_LANGUAGE == "en"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_message_says_what_it_has_to(kind: Any, language: str) -> None:  # noqa: ANN401 - a kind
    found = rendered(kind, locale=language)
    assert found.locale == language
    assert f'<html lang="{language}">' in found.html
    assert "Acme" in found.subject
    assert "{" not in found.text + found.html
    assert "$" not in found.html
    is_code = kind not in NOTICES | {TEST}
    for name in ("code", "url"):
        assert (SAMPLE_VALUES[name] in found.text) == True  # noqa: E712 - both are shown if both are given
        assert html.escape(SAMPLE_VALUES[name]) in found.html
        assert SAMPLE_VALUES[name] not in found.subject
    assert is_code or kind == TEST or SAMPLE_VALUES["name"] in found.text


def test_kinds_are_those_of_the_type() -> None:
    assert get_args(MessageKind) == KINDS


def test_values_and_brand_are_escaped_and_are_no_placeholders() -> None:
    values = {"code": MARKUP, "url": f"https://example.org/{MARKUP}", "name": MARKUP}
    found = rendered("password_reset", values=values, brand=Brand(MARKUP, MARKUP))
    assert "<img" not in found.html
    assert html.escape(MARKUP) in found.html
    assert MARKUP in found.text
    notice = rendered("factor_added", values={"name": MARKUP})
    assert "<img" not in notice.html
    assert MARKUP in notice.text


def test_url_that_runs_a_script_is_no_link() -> None:
    found = rendered("password_reset", values={"url": "javascript:alert(1)"})
    assert not re.search(r"<a\s", found.html)


def test_subject_is_one_line_whatever_the_brand() -> None:
    found = rendered(brand=Brand("Acme\r\nBcc: eve@example.com\u2028x"))
    assert found.subject == "Your sign-in code for Acme Bcc: eve@example.com x"


@pytest.mark.parametrize(
    ("life", "words"),
    [
        (1, "1 minute,"),
        (60_000, "1 minute,"),
        (10 * MINUTE, "10 minutes,"),
        (119 * MINUTE, "119 minutes,"),
        (120 * MINUTE, "2 hours,"),
        (47 * 60 * MINUTE, "47 hours,"),
        (7 * 24 * 60 * MINUTE, "7 days,"),
    ],
)
def test_life_is_rounded_down(life: int, words: str) -> None:
    assert f"good for {words}" in rendered(life=life).text


def test_brand_is_the_branding_or_the_team_name() -> None:
    assert brand_of("Acme", None) == Brand("Acme", "#1f5fd0")
    assert brand_of("Acme", BrandingRecord(None, None, None, 0)) == Brand("Acme", "#1f5fd0")
    assert brand_of("Acme", BrandingRecord("Shop", "#112233", None, 0)) == Brand("Shop", "#112233")
    assert "border-top:4px solid #112233" in rendered(brand=Brand("Shop", "#112233")).html


@pytest.mark.parametrize("kind", KINDS)
def test_sample_has_what_the_kind_has(kind: Any) -> None:  # noqa: ANN401 - a kind
    found = sample(kind, Brand("Acme"), "de")
    is_link = kind in {"password_reset", "invitation"}
    assert (SAMPLE_VALUES["url"] in found.text) == is_link
    assert (SAMPLE_VALUES["code"] in found.text) == (kind not in NOTICES and not is_link)


def test_sample_of_an_unknown_kind_or_language_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        sample("letter", Brand("Acme"), "xx")
    assert [item.field for item in refused.value.items] == ["kind", "locale"]
