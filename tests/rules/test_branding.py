"""Branding: validation of names, colors and logos."""

import base64
import io
import struct
import zlib
from collections.abc import Callable
from typing import Final

import pytest
from PIL import Image, PngImagePlugin

from authfactor.errors import InvalidRequest, Outdated
from authfactor.models import BrandingRecord
from authfactor.rules.links import logos
from authfactor.wire.links import UpdateBranding
from tests.support.installation import Installation


def png(width: int = 40, height: int = 20, mode: str = "RGBA", **saved: object) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (width, height), 7).save(stream, "PNG", **saved)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


async def change(installation: Installation, **fields: str | None) -> BrandingRecord:
    return await installation.af.run(
        installation.af.brandings.update(installation.environment, UpdateBranding(**fields))
    )


async def test_absent_fields_stay_and_null_resets_to_the_default(installation: Installation) -> None:
    assert await installation.af.read(installation.af.brandings.get(installation.environment)) is None
    logo = png()
    await change(installation, name="Shop", color="#0A7D5A")
    changed = await change(installation, logo=base64.b64encode(logo).decode())
    assert (changed.name, changed.color) == ("Shop", "#0a7d5a")
    assert changed.logo is not None
    assert Image.open(io.BytesIO(changed.logo)).size == (40, 20)
    assert await installation.af.read(installation.af.brandings.get(installation.environment)) == changed
    changed = await change(installation, name=None, logo=None)
    assert (changed.name, changed.color, changed.logo) == (None, "#0a7d5a", None)
    assert await installation.af.read(installation.af.brandings.get(installation.other)) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a\nb"),
        ("name", "x" * 65),
        ("color", "red"),
        ("color", "#12345"),
        ("color", "#1234567"),
        ("color", "#12345g"),
        ("color", "#123456;}"),
        ("logo", "not base64"),
        ("logo", "\x80"),
        ("logo", base64.b64encode(b"GIF89a").decode()),
        ("logo", base64.b64encode(b"<svg onload='alert(1)'/>").decode()),
        ("logo", base64.b64encode(png(1025, 1)).decode()),
        ("logo", base64.b64encode(png(1, 1025)).decode()),
    ],
)
async def test_invalid_branding_field_is_refused(installation: Installation, field: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await change(installation, **{field: value})
    assert [item.field for item in refused.value.items] == [field]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_logo_of_any_color_mode_keeps_its_pixels(mode: str) -> None:
    image = png(mode=mode)
    checked = Image.open(io.BytesIO(logos.check(image)))
    assert checked.tobytes() == Image.open(io.BytesIO(image)).tobytes()


def test_logo_metadata_and_trailing_bytes_are_removed() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>")
    image = png(pnginfo=info) + b"<script>more</script>"
    assert b"script" not in logos.check(image)
    assert logos.check(logos.check(image)) == logos.check(image)


DAMAGES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "cut at the end": lambda image: image[:-1],
    "cut in the middle": lambda image: image[:40],
    "a wrong checksum": lambda image: image[:20] + b"\xff" + image[21:],
    "no header": lambda image: image[:8] + image[33:],
    "an empty header": lambda image: image[:8] + chunk(b"IHDR", b"") + image[33:],
    "a length beyond the end": lambda image: image[:8] + struct.pack(">I", 2**31) + image[12:],
    "only an end": lambda image: image[:8] + chunk(b"IEND", b""),
    "two headers": lambda image: image[:33] + image[8:],
    "no image data": lambda image: image[:33] + chunk(b"IEND", b""),
    "empty": lambda _: b"",
    "too large": lambda image: image + bytes(logos.MAX_BYTES),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_logo_is_refused(damage: str) -> None:
    with pytest.raises(logos.InvalidLogo):
        logos.check(DAMAGES[damage](png()))


async def test_change_from_an_older_version_of_the_branding_is_refused(installation: Installation) -> None:
    update, environment = installation.af.brandings.update, installation.environment
    first = await installation.af.run(update(environment, UpdateBranding(name="First"), if_updated_at=0))
    with pytest.raises(Outdated):
        await installation.af.run(update(environment, UpdateBranding(name="Second"), if_updated_at=0))
    second = UpdateBranding(name="Second")
    changed = await installation.af.run(update(environment, second, if_updated_at=first.updated_at))
    assert (changed.name, changed.updated_at > first.updated_at) == ("Second", True)
