"""The texts of messages: one TOML file for each language, such as `locales/de.toml`.

To add a language: copy `locales/en.toml` under the new language's tag, translate its values, and add the
language to `LANGUAGES`. A test compares keys and placeholders with the English ones.
"""

import functools
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "locales"
DEFAULT_LANGUAGE: Final = "en"
LANGUAGES: Final = {
    "en": "English",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "ja": "日本語",
}


def choose_language(*preferred: str | None) -> str:
    """Return the first language that there are texts in; `de-AT` is `de`."""
    for tag in preferred:
        language = (tag or "").replace("_", "-").partition("-")[0].lower()
        if language in LANGUAGES:
            return language
    return DEFAULT_LANGUAGE


@functools.cache
def texts_in(language: str) -> dict[str, dict[str, str]]:
    """Return the texts in a language: by kind of message, and by name."""
    import tomllib  # noqa: PLC0415 - keep start-up fast

    return tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
