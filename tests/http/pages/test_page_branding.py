"""Whatever colour an environment chooses, its pages can be read; its logo is a picture and no more."""

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
LEAST: Final = 4.5


def variables(styles: str) -> list[dict[str, str]]:
    """The variables of the light and of the dark scheme."""
    return [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r"{ (--.*?) }", styles)
    ]


@given(COLORS)
def test_every_colour_gives_buttons_and_links_that_can_be_read(color: str) -> None:
    schemes = variables(page_branding.styles(color))
    assert len(schemes) == 2
    for scheme, ground in zip(
        schemes, (page_branding.LIGHT_BACKGROUND, page_branding.DARK_BACKGROUND), strict=True
    ):
        assert scheme["accent"] == color
        assert page_branding.contrast(scheme["on-accent"], color) >= LEAST
        assert page_branding.contrast(scheme["accent-text"], ground) >= LEAST


def test_a_colour_that_can_be_read_stays_as_it_is() -> None:
    assert page_branding.readable_color("#1f3f80", page_branding.LIGHT_BACKGROUND) == "#1f3f80"
    assert page_branding.readable_color("#a0c0ff", page_branding.DARK_BACKGROUND) == "#a0c0ff"


def test_the_grounds_are_those_of_the_style_sheet() -> None:
    grounds = re.findall(
        r"--(bg|surface|sunken): (#[0-9a-f]{6})", assets.files()["authfactor.css"].plain.decode()
    )
    assert len(grounds) == 6
    # In light the darkest ground is the hardest for dark text, in dark the lightest for light text.
    assert (
        min((value for _, value in grounds[:3]), key=page_branding.luminance)
        == page_branding.LIGHT_BACKGROUND
    )
    assert (
        max((value for _, value in grounds[3:]), key=page_branding.luminance) == page_branding.DARK_BACKGROUND
    )


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGBA", (60, 30), (10, 125, 90, 255)).save(stream, "PNG")
    return stream.getvalue()


def test_a_look_is_set_shown_and_taken_back(api: httpx.Client, browser: httpx.Client, server: Server) -> None:
    empty = fields(api.get("/authfactor/branding"), 200)
    assert empty == {"object": "branding", "name": None, "color": None, "logo_url": None, "updated_at": None}
    body = {"name": "Shop & Co", "color": "#0A7D5A", "logo": base64.b64encode(png()).decode()}
    changed = fields(api.put("/authfactor/branding", json=body), 200)
    assert (changed["name"], changed["color"]) == ("Shop & Co", "#0a7d5a")

    user = fields(api.post("/user_management/users", json={"email": "look@example.org"}), 201)
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
        answer = browser.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == kind
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert Image.open(io.BytesIO(browser.get(logo_path[1]).content)).size == (60, 30)
    assert "#0a7d5a" in browser.get(styles_path[1]).text

    fields(api.put("/authfactor/branding", json={"color": "#112233"}), 200)
    old = browser.get(styles_path[1])
    assert "#112233" in old.text
    assert old.headers["cache-control"] == "no-cache"
    fields(api.put("/authfactor/branding", json={"name": None, "color": None, "logo": None}), 200)
    assert browser.get(styles_path[1]).status_code == 404
    assert browser.get(logo_path[1]).status_code == 404
    assert "Acme" in browser.get("/link/" + link["url"].rpartition("/")[2]).text


@pytest.mark.parametrize(
    "path", ["client_nobody/x.css", "client_test/x.svg", "client_test/x", "client_test/x.png"]
)
def test_there_is_no_other_look(browser: httpx.Client, path: str) -> None:
    assert browser.get(f"/assets/brand/{path}").status_code == 404


def test_the_command_line_sets_the_look(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    logo = tmp_path_factory.mktemp("logo") / "logo.png"
    logo.write_bytes(png())
    made = server.run("environments", "create", "branded")
    assert made.returncode == 0, made.stderr
    done = server.run("environments", "brand", "branded", "--color", "#123456", "--logo", str(logo))
    assert done.returncode == 0, done.stderr
    assert "#123456" in done.stdout
    shown = server.run("--json", "environments", "brand", "branded")
    assert '"color": "#123456"' in shown.stdout
    assert "PNG, " in shown.stdout
    reset = server.run("environments", "brand", "branded", "--reset", "--display-name", "Shop")
    assert "#123456" not in reset.stdout
    assert "Shop" in reset.stdout
    for arguments, code in ((("--color", "red"), 2), (("--logo", str(logo.parent / "none.png")), 1)):
        refused = server.run("environments", "brand", "branded", *arguments)
        assert refused.returncode == code, refused.stderr
        assert len(refused.stderr.splitlines()) <= 2
