"""Branding: pages stay readable in any brand color, and a logo is served as an image only."""

import base64
import io
import re
from typing import Final

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from authfactor.http.pages import assets, page_branding
from tests.support.server_process import Server, fields

COLORS: Final = st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)
MIN_CONTRAST: Final = 4.5


def variables(styles: str) -> list[dict[str, str]]:
    """Return the CSS variables of the light and of the dark scheme."""
    return [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r"{ (--.*?) }", styles)
    ]


@given(COLORS)
def test_any_brand_color_yields_readable_buttons_and_links(color: str) -> None:
    schemes = variables(page_branding.styles(color))
    assert len(schemes) == 2
    for scheme, background in zip(
        schemes, (page_branding.LIGHT_BACKGROUND, page_branding.DARK_BACKGROUND), strict=True
    ):
        assert scheme["accent"] == color
        assert page_branding.contrast(scheme["on-accent"], color) >= MIN_CONTRAST
        assert page_branding.contrast(scheme["accent-text"], background) >= MIN_CONTRAST


def test_readable_color_is_unchanged() -> None:
    assert page_branding.readable_color("#1f3f80", page_branding.LIGHT_BACKGROUND) == "#1f3f80"
    assert page_branding.readable_color("#a0c0ff", page_branding.DARK_BACKGROUND) == "#a0c0ff"


def test_background_colors_match_the_style_sheet() -> None:
    backgrounds = re.findall(
        r"--(bg|surface|sunken): (#[0-9a-f]{6})", assets.files()["authfactor.css"].plain.decode()
    )
    assert len(backgrounds) == 6
    # Dark text is hardest to read on the darkest light background, light text on the lightest dark one.
    assert (
        min((value for _, value in backgrounds[:3]), key=page_branding.luminance)
        == page_branding.LIGHT_BACKGROUND
    )
    assert (
        max((value for _, value in backgrounds[3:]), key=page_branding.luminance)
        == page_branding.DARK_BACKGROUND
    )


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGBA", (60, 30), (10, 125, 90, 255)).save(stream, "PNG")
    return stream.getvalue()


def test_branding_is_set_shown_and_removed(api: httpx.Client, browser: httpx.Client, server: Server) -> None:
    empty = fields(api.get("/authfactor/branding"), 200)
    assert empty == {"object": "branding", "name": None, "color": None, "logo_url": None, "updated_at": None}
    body = {"name": "Shop & Co", "color": "#0A7D5A", "logo": base64.b64encode(png()).decode()}
    changed = fields(api.put("/authfactor/branding", json=body), 200)
    assert (changed["name"], changed["color"]) == ("Shop & Co", "#0a7d5a")

    user = fields(api.post("/user_management/users", json={"email": "brand@example.org"}), 201)
    link = fields(api.post("/authfactor/enrollment_links", json={"user_id": user["id"]}), 201)
    page = browser.get("/link/" + link["url"].rpartition("/")[2])
    assert 'alt="Shop &amp; Co"' in page.text
    logo_path, styles_path = (
        re.search(r'<img src="([^"]+)"', page.text),
        re.search(r'<link rel="stylesheet" href="(/assets/brand/[^"]+)"', page.text),
    )
    assert logo_path is not None
    assert styles_path is not None
    assert changed["logo_url"].endswith(logo_path[1])
    for path, kind in ((logo_path[1], "image/png"), (styles_path[1], "text/css; charset=utf-8")):
        response = browser.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"] == kind
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in response.headers["content-security-policy"]
    assert Image.open(io.BytesIO(browser.get(logo_path[1]).content)).size == (60, 30)
    assert "#0a7d5a" in browser.get(styles_path[1]).text

    fields(api.put("/authfactor/branding", json={"color": "#112233"}), 200)
    outdated = browser.get(styles_path[1])
    assert "#112233" in outdated.text
    assert outdated.headers["cache-control"] == "no-cache"
    fields(api.put("/authfactor/branding", json={"name": None, "color": None, "logo": None}), 200)
    assert browser.get(styles_path[1]).status_code == 404
    assert browser.get(logo_path[1]).status_code == 404
    assert "Acme" in browser.get("/link/" + link["url"].rpartition("/")[2]).text


@pytest.mark.parametrize(
    "path", ["client_unknown/x.css", "client_test/x.svg", "client_test/x", "client_test/x.png"]
)
def test_unknown_branding_asset_is_404(browser: httpx.Client, path: str) -> None:
    assert browser.get(f"/assets/brand/{path}").status_code == 404


def test_cli_sets_the_branding(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    logo = tmp_path_factory.mktemp("logo") / "logo.png"
    logo.write_bytes(png())
    creation = server.run("environments", "create", "branded")
    assert creation.returncode == 0, creation.stderr
    branded = server.run("environments", "brand", "branded", "--color", "#123456", "--logo", str(logo))
    assert branded.returncode == 0, branded.stderr
    assert "#123456" in branded.stdout
    branding = server.run("--json", "environments", "brand", "branded")
    assert '"color": "#123456"' in branding.stdout
    assert "PNG, " in branding.stdout
    reset = server.run("environments", "brand", "branded", "--reset", "--display-name", "Shop")
    assert "#123456" not in reset.stdout
    assert "Shop" in reset.stdout
    for arguments, code in ((("--color", "red"), 2), (("--logo", str(logo.parent / "none.png")), 1)):
        refused = server.run("environments", "brand", "branded", *arguments)
        assert refused.returncode == code, refused.stderr
        assert len(refused.stderr.splitlines()) <= 2
