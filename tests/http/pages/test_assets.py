"""Static files: vendored files are unmodified, colors have enough contrast, URLs contain content hashes."""

import hashlib
import re
from typing import Final

import pytest

from authfactor.http.pages import assets

STYLES: Final = (assets.FOLDER / "authfactor.css").read_text(encoding="utf-8")
TEXT_CONTRAST, EDGE_CONTRAST = 4.5, 3.0
TEXT_PAIRS: Final = [
    ("text", "bg"), ("text", "surface"), ("text", "sunken"),
    ("muted", "bg"), ("muted", "surface"), ("muted", "sunken"),
    ("accent-text", "bg"), ("accent-text", "surface"), ("accent-text", "sunken"), ("on-accent", "accent"),
    ("on-danger", "danger"), ("error", "surface"), ("error", "bg"),
    ("ok", "ok-soft"), ("warn", "warn-soft"), ("error", "error-soft"), ("info", "info-soft"),
]  # fmt: skip
EDGE_PAIRS: Final = [
    ("field-line", "surface"),
    ("field-line", "bg"),
    ("accent", "surface"),
    ("accent-text", "bg"),
]


def colors(scheme: str) -> dict[str, str]:
    """Return the color variables of a scheme of the style sheet."""
    blocks = re.findall(r":root\s*\{(.*?)\}", STYLES, re.DOTALL)
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", blocks[("light", "dark").index(scheme)]))


def luminance(color: str) -> float:
    """Compute the relative luminance (WCAG 2.2)."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """Compute the contrast ratio (WCAG 2.2)."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_black_on_white_has_the_wcag_contrast_ratio() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_color_pairs_meet_the_minimum_contrast(scheme: str) -> None:
    variables = colors(scheme)
    too_low = {
        f"{foreground} on {background}": round(ratio, 2)
        for pairs, minimum in ((TEXT_PAIRS, TEXT_CONTRAST), (EDGE_PAIRS, EDGE_CONTRAST))
        for foreground, background in pairs
        if (ratio := contrast(variables[foreground], variables[background])) < minimum
    }
    assert not too_low


def test_vendored_files_match_the_manifest() -> None:
    manifest = assets.vendored()
    folder = assets.VENDORED.parent
    present = {path.name for path in folder.iterdir()} - {assets.VENDORED.name}
    assert present == set(manifest)
    for name, entry in manifest.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"], name
        assert all(entry[key] for key in ("package", "version", "path", "license"))


def test_asset_urls_contain_the_content_hash() -> None:
    for name, asset in assets.files().items():
        stem, digest, extension = asset.url.removeprefix("/assets/").rsplit(".", 2)
        assert f"{stem}.{extension}" == name
        assert hashlib.sha256(asset.plain).hexdigest().startswith(digest)
        assert len(digest) >= 12


def test_style_sheets_reference_no_other_site() -> None:
    for asset in assets.files().values():
        if asset.content_type.startswith(b"text/css"):
            assert b"//" not in asset.plain
            assert b"@import" not in asset.plain


def test_the_passkey_script_is_small_and_needs_no_connection() -> None:
    script = (assets.FOLDER / "passkeys.js").read_text(encoding="utf-8")
    assert len(script.encode()) <= 4096
    for word in ("fetch(", "XMLHttpRequest", "eval", "innerHTML", "import(", "localStorage", "location"):
        assert word not in script
