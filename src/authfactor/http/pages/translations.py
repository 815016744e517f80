"""What pages say, in every language: one TOML file for each language and area (`locales/en/enroll.toml`)."""

import functools
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "locales"
DEFAULT: Final = "en"
LANGUAGES: Final = {"en": "English", "de": "Deutsch"}
# Areas for operators and developers; every other area must say everything in every language.
ENGLISH_ONLY: Final = frozenset({"console", "reference"})


class Translations:
    """The catalogue of one language."""

    def __init__(self, language: str, texts: dict[str, str]) -> None:
        """Keep the texts by name, `area.name`."""
        self.language = language
        self._texts = texts

    def __call__(self, name: str, /, **places: object) -> str:
        """Return a text with its places filled; `count` picks between `name.one` and `name.other`.

        Raises `KeyError` for an unknown name: tests render every page.
        """
        if "count" in places and name not in self._texts:
            name = f"{name}.{'one' if places['count'] == 1 else 'other'}"
        text = self._texts[name]
        return text.format_map(places) if places else text

    def __contains__(self, name: str) -> bool:
        """Tell whether there is such a text."""
        return name in self._texts

    def duration(self, milliseconds: int) -> str:
        """Say how long something takes, rounded up to what a person can use."""
        seconds = max(1, -(-milliseconds // 1000))
        for unit, length in (("hours", 3600), ("minutes", 60)):
            if seconds > length:
                return self(f"common.{unit}", count=-(-seconds // length))
        return self("common.seconds", count=seconds)


@functools.cache
def of(language: str) -> Translations:
    """Return a language's catalogue; what it does not say is said in English."""
    return Translations(language, {**texts(DEFAULT), **texts(language)})


def texts(language: str) -> dict[str, str]:
    """Read the texts of one language, flat."""
    import tomllib  # noqa: PLC0415 - with the first page, not at the start

    found: dict[str, str] = {}
    for path in sorted((FOLDER / language).glob("*.toml")):
        _flatten(path.stem, tomllib.loads(path.read_text(encoding="utf-8")), found)
    return found


def _flatten(name: str, value: object, into: dict[str, str]) -> None:
    if isinstance(value, dict):
        for key, below in value.items():
            _flatten(f"{name}.{key}", below, into)
    else:
        into[name] = str(value).strip()


def choose(accepted: str, *preferred: str | None) -> str:
    """Choose a language: the first preference we speak, else by `Accept-Language` (RFC 9110, 12.5.4)."""
    for tag in (*preferred, *_by_weight(accepted)):
        language = (tag or "").replace("_", "-").partition("-")[0].lower()
        if language in LANGUAGES:
            return language
    return DEFAULT


def _by_weight(accepted: str) -> list[str]:
    weighed = []
    for place, part in enumerate(accepted.split(",")[:20]):
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or "1")
        except ValueError:
            continue
        if weight > 0:
            weighed.append((-weight, place, tag.strip()))
    return [tag for _, _, tag in sorted(weighed)]
