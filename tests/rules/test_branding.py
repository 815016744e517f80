"""Branding: names and colours that are checked, and logos that are nothing but pictures."""

import base64
import io
import struct
import zlib
from collections.abc import Callable
from typing import Final

import pytest
from PIL import Image, PngImagePlugin

from authfactor.errors import InvalidRequest
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


async def test_absent_fields_stay_and_null_goes_back_to_the_default(installation: Installation) -> None:
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
async def test_what_cannot_be_shown_is_refused(installation: Installation, field: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await change(installation, **{field: value})
    assert [item.field for item in refused.value.items] == [field]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_picture_of_any_kind_comes_out_as_it_went_in(mode: str) -> None:
    picture = png(mode=mode)
    kept = Image.open(io.BytesIO(logos.check(picture)))
    assert kept.tobytes() == Image.open(io.BytesIO(picture)).tobytes()


def test_texts_times_and_what_follows_the_end_are_left_out() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>")
    picture = png(pnginfo=info) + b"<script>more</script>"
    assert b"script" not in logos.check(picture)
    assert logos.check(logos.check(picture)) == logos.check(picture)


SPOILT: Final[dict[str, Callable[[bytes], bytes]]] = {
    "cut at the end": lambda picture: picture[:-1],
    "cut in the middle": lambda picture: picture[:40],
    "a wrong checksum": lambda picture: picture[:20] + b"\xff" + picture[21:],
    "no header": lambda picture: picture[:8] + picture[33:],
    "an empty header": lambda picture: picture[:8] + chunk(b"IHDR", b"") + picture[33:],
    "a length beyond the end": lambda picture: picture[:8] + struct.pack(">I", 2**31) + picture[12:],
    "an end alone": lambda picture: picture[:8] + chunk(b"IEND", b""),
    "two headers": lambda picture: picture[:33] + picture[8:],
    "no picture": lambda picture: picture[:33] + chunk(b"IEND", b""),
    "nothing": lambda _: b"",
    "too much": lambda picture: picture + bytes(logos.MAX_BYTES),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_broken_picture_is_refused(spoilt: str) -> None:
    with pytest.raises(logos.InvalidLogo):
        logos.check(SPOILT[spoilt](png()))
