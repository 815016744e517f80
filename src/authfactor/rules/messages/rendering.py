"""The text of a message: plain and as HTML, in the user's language, with the environment's branding."""

import functools
import html
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final, Literal, NamedTuple

from authfactor.errors import InvalidRequest, Item
from authfactor.models import BrandingRecord
from authfactor.models.messages import MessageKind
from authfactor.rules.messages.kinds import KINDS, NOTICES
from authfactor.rules.messages.languages import LANGUAGES, choose_language, texts_in

DEFAULT_COLOR: Final = "#1f5fd0"
TEST: Final = "test"
SAMPLE_VALUES: Final = {"code": "123456", "url": "https://example.org/?token=EXAMPLE", "name": "Example"}
"""Values that previews show: those of a message are secret."""
SAMPLE_LIFE: Final = 10 * 60_000
_LAYOUT: Final = Path(__file__).with_name("layout.html")
_MINUTE: Final = 60_000
# How many milliseconds a unit has, and from how many on it is used.
_UNITS: Final = (("day", 24 * 60 * _MINUTE, 2), ("hour", 60 * _MINUTE, 2), ("minute", _MINUTE, 0))


class RenderedMessage(NamedTuple):
    """A message as it is sent."""

    locale: str
    subject: str
    text: str
    html: str


class Brand(NamedTuple):
    """What an environment calls itself, and its color."""

    name: str
    color: str = DEFAULT_COLOR


def brand_of(team_name: str, branding: BrandingRecord | None) -> Brand:
    """Return the brand of an environment."""
    if branding is None:
        return Brand(team_name)
    return Brand(branding.name or team_name, branding.color or DEFAULT_COLOR)


def render(
    kind: MessageKind | Literal["test"],
    values: Mapping[str, str],
    *,
    brand: Brand,
    locale: str,
    life: int,
) -> RenderedMessage:
    """Render a message that is of use for `life` milliseconds.

    `values` are shown as they are: each is escaped, and none is a placeholder's name.
    """
    language = choose_language(locale)
    texts = texts_in(language)
    common, own = texts["common"], texts[kind]
    subject, body = (_filled(own[name], brand=brand.name) for name in ("subject", "body"))
    is_notice = kind in NOTICES
    footer = (
        "" if kind == TEST else _filled(common["not_you" if is_notice else "not_asked"], brand=brand.name)
    )
    validity = _filled(common["valid_for"], time=_duration(common, life))
    code, url, name = (values.get(each, "") for each in ("code", "url", "name"))
    detail = _filled(common["name"], name=name) if is_notice and name else ""
    parts = [body, code, url, validity if code or url else "", detail, footer]
    page = Template(_layout()).substitute(
        language=language,
        subject=html.escape(subject),
        color=html.escape(brand.color),
        brand=html.escape(brand.name),
        body=html.escape(body),
        main=_main(code, url, own.get("button", ""), validity, detail, brand.color),
        footer=html.escape(footer),
    )
    plain = "\n\n".join(part for part in parts if part)
    return RenderedMessage(language, _one_line(subject), f"{plain}\n\n{brand.name}\n", page)


def sample(kind: str, brand: Brand, locale: str) -> RenderedMessage:
    """Render a kind with sample values, for previews. Raises `InvalidRequest`."""
    found = next((each for each in KINDS if each == kind), None)
    items = []
    if found is None:
        items.append(Item("kind", "kind_invalid", f"kind: one of {', '.join(KINDS)}."))
    if locale not in LANGUAGES:
        items.append(Item("locale", "locale_invalid", f"locale: one of {', '.join(LANGUAGES)}."))
    if items or found is None:
        raise InvalidRequest(*items)
    if found in NOTICES:
        names: tuple[str, ...] = ()
    else:
        names = ("url",) if "button" in texts_in(locale)[found] else ("code",)
    values = {name: SAMPLE_VALUES[name] for name in names}
    return render(found, values, brand=brand, locale=locale, life=SAMPLE_LIFE)


def _main(code: str, url: str, button: str, validity: str, detail: str, color: str) -> str:
    """Return the middle of the page as HTML."""
    found = ""
    if code:
        style = "margin:0 0 16px;font:bold 32px/1.2 monospace;letter-spacing:4px"
        found += f'<p style="{style}">{html.escape(code)}</p>\n'
    if url:
        style = f"display:inline-block;padding:12px 20px;background:{html.escape(color)};color:#ffffff"
        href = html.escape(url)
        link = f'<a href="{href}" style="{style}">{html.escape(button)}</a>'
        found += f'<p style="margin:0 0 16px">{link}</p>\n' if _is_web(url) else ""
        found += f'<p style="margin:0 0 16px;word-break:break-all;font-size:14px">{href}</p>\n'
    for text in (validity if code or url else "", detail):
        found += f'<p style="margin:0">{html.escape(text)}</p>\n' if text else ""
    return found


def _is_web(url: str) -> bool:
    """Return whether a URL may be a link's: never one that runs a script."""
    return url.startswith(("https://", "http://"))


def _filled(text: str, **values: str) -> str:
    return text.format_map(values)


def _one_line(text: str) -> str:
    """Return a text without what could end a header."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _duration(common: Mapping[str, str], life: int) -> str:
    """Return a duration in words, rounded down to minutes, hours or days."""
    unit, count = next((name, life // length) for name, length, least in _UNITS if life // length >= least)
    count = max(count, 1)
    return common[unit] if count == 1 else _filled(common[f"{unit}s"], count=str(count))


@functools.cache
def _layout() -> str:
    return _LAYOUT.read_text(encoding="utf-8")
