"""The texts of pages: one TOML file for each language and area, such as `locales/en/enroll.toml`."""

import functools
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "locales"
DEFAULT_LANGUAGE: Final = "en"
LANGUAGES: Final = {"en": "English", "de": "Deutsch"}
# Areas for operators and developers; all others must be complete in every language.
ENGLISH_ONLY: Final = frozenset({"console", "reference"})


class Translations:
    """The catalog of one language."""

    def __init__(self, language: str, texts: dict[str, str]) -> None:
        """`texts` are keyed by `area.name`."""
        self.language = language
        self._texts = texts

    def __call__(self, name: str, /, **values: object) -> str:
        """Return a text with its placeholders filled; `count` selects `name.one` or `name.other`.

        Raises `KeyError` for an unknown name.
        """
        if "count" in values and name not in self._texts:
            name = f"{name}.{'one' if values['count'] == 1 else 'other'}"
        text = self._texts[name]
        return text.format_map(values) if values else text

    def __contains__(self, name: str) -> bool:
        """Return whether there is a text of this name."""
        return name in self._texts

    def duration(self, milliseconds: int) -> str:
        """Return a duration in words, rounded up to whole seconds, minutes or hours."""
        seconds = max(1, -(-milliseconds // 1000))
        for unit, length in (("hours", 3600), ("minutes", 60)):
            if seconds > length:
                return self(f"common.{unit}", count=-(-seconds // length))
        return self("common.seconds", count=seconds)


@functools.cache
def catalog(language: str) -> Translations:
    """Return a language's catalog, with English for texts that it lacks."""
    return Translations(language, {**read_texts(DEFAULT_LANGUAGE), **read_texts(language)})


def read_texts(language: str) -> dict[str, str]:
    """Read the texts of one language, keyed by `area.name`."""
    import tomllib  # noqa: PLC0415 - keep start-up fast

    texts: dict[str, str] = {}
    for path in sorted((FOLDER / language).glob("*.toml")):
        _flatten(path.stem, tomllib.loads(path.read_text(encoding="utf-8")), texts)
    return texts


def _flatten(name: str, value: object, into: dict[str, str]) -> None:
    if isinstance(value, dict):
        for key, child in value.items():
            _flatten(f"{name}.{key}", child, into)
    else:
        into[name] = str(value).strip()


def choose_language(accepted: str, *preferred: str | None) -> str:
    """Return the first supported preference, else by `Accept-Language` (RFC 9110 section 12.5.4)."""
    for tag in (*preferred, *_by_weight(accepted)):
        language = (tag or "").replace("_", "-").partition("-")[0].lower()
        if language in LANGUAGES:
            return language
    return DEFAULT_LANGUAGE


def _by_weight(accepted: str) -> list[str]:
    weighted = []
    for position, part in enumerate(accepted.split(",")[:20]):
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or "1")
        except ValueError:
            continue
        if weight > 0:
            weighted.append((-weight, position, tag.strip()))
    return [tag for _, _, tag in sorted(weighted)]
