"""Static files: vendored ones are what their authors published, colours can be read, names hold hashes."""

import hashlib
import re
from typing import Final

import pytest

from authfactor.http.pages import assets

STYLES: Final = (assets.FOLDER / "authfactor.css").read_text(encoding="utf-8")
TEXT_CONTRAST, EDGE_CONTRAST = 4.5, 3.0
TEXTS: Final = [
    ("text", "bg"), ("text", "surface"), ("text", "sunken"),
    ("muted", "bg"), ("muted", "surface"), ("muted", "sunken"),
    ("accent-text", "bg"), ("accent-text", "surface"), ("accent-text", "sunken"), ("on-accent", "accent"),
    ("on-danger", "danger"), ("error", "surface"), ("error", "bg"),
    ("ok", "ok-soft"), ("warn", "warn-soft"), ("error", "error-soft"), ("info", "info-soft"),
]  # fmt: skip
EDGES: Final = [("field-line", "surface"), ("field-line", "bg"), ("accent", "surface"), ("accent-text", "bg")]


def colours(scheme: str) -> dict[str, str]:
    """The variables of a colour scheme, in the style sheet's own words."""
    blocks = re.findall(r":root\s*\{(.*?)\}", STYLES, re.DOTALL)
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", blocks[("light", "dark").index(scheme)]))


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_black_on_white_has_the_contrast_that_the_standard_names() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_pair_of_colours_can_be_read(scheme: str) -> None:
    known = colours(scheme)
    weak = {
        f"{ink} on {ground}": round(ratio, 2)
        for pairs, least in ((TEXTS, TEXT_CONTRAST), (EDGES, EDGE_CONTRAST))
        for ink, ground in pairs
        if (ratio := contrast(known[ink], known[ground])) < least
    }
    assert not weak


def test_vendored_files_are_what_the_manifest_says() -> None:
    manifest = assets.vendored()
    folder = assets.VENDORED.parent
    present = {path.name for path in folder.iterdir()} - {assets.VENDORED.name}
    assert present == set(manifest)
    for name, entry in manifest.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"], name
        assert all(entry[word] for word in ("package", "version", "path", "licence"))


def test_an_address_holds_the_hash_of_its_file() -> None:
    for name, asset in assets.files().items():
        stem, digest, ending = asset.url.removeprefix("/assets/").rsplit(".", 2)
        assert f"{stem}.{ending}" == name
        assert hashlib.sha256(asset.plain).hexdigest().startswith(digest)
        assert len(digest) >= 12


def test_style_sheets_name_no_other_site() -> None:
    for asset in assets.files().values():
        if asset.content_type.startswith(b"text/css"):
            assert b"//" not in asset.plain
            assert b"@import" not in asset.plain
