"""Compose the README's picture from screenshots: the enrollment page on a phone beside the console.

Usage: python tools/front_picture.py [--into FILE]   (make screenshots)
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

SCREENSHOTS: Final = Path(__file__).parents[1] / "docs" / "screenshots"
PHONE: Final = "branded-enroll-390-light.png"
CONSOLE: Final = "console-overview-1280-light.png"
# Sizes and places in pixels. The parts of the screenshots that show something.
PHONE_PART: Final = (0, 0, 390, 930)
CONSOLE_PART: Final = (0, 0, 1280, 620)
SIZE: Final = (1280, 680)
PHONE_AT: Final = (32, 28)
PHONE_SIZE: Final = (258, 615)
CONSOLE_AT: Final = (326, 117)
CONSOLE_SIZE: Final = (922, 447)
FRAME: Final = 6
BACKGROUND: Final = "#dfe5ee"
BORDER: Final = "#1d2733"


def framed(picture: Image.Image, part: tuple[int, int, int, int], size: tuple[int, int]) -> Image.Image:
    """Return a part of a screenshot in the given size, in a rounded frame."""
    scaled = picture.convert("RGB").crop(part).resize(size, Image.Resampling.LANCZOS)
    outer = (size[0] + 2 * FRAME, size[1] + 2 * FRAME)
    framed_picture = Image.new("RGB", outer, BACKGROUND)
    ImageDraw.Draw(framed_picture).rounded_rectangle(
        (0, 0, outer[0] - 1, outer[1] - 1), radius=2 * FRAME, fill=BORDER
    )
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius=FRAME, fill=255)
    framed_picture.paste(scaled, (FRAME, FRAME), mask)
    return framed_picture


def compose() -> Image.Image:
    """Return the picture, in at most 128 colors to keep the file small."""
    picture = Image.new("RGB", SIZE, BACKGROUND)
    for name, part, size, place in (
        (PHONE, PHONE_PART, PHONE_SIZE, PHONE_AT),
        (CONSOLE, CONSOLE_PART, CONSOLE_SIZE, CONSOLE_AT),
    ):
        with Image.open(SCREENSHOTS / name) as screenshot:
            picture.paste(framed(screenshot, part, size), (place[0] - FRAME, place[1] - FRAME))
    return picture.quantize(128, kmeans=4, dither=Image.Dither.NONE)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, default=SCREENSHOTS / "front.png")
    chosen = parser.parse_args(arguments)
    compose().save(chosen.into, optimize=True)
    print(chosen.into)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
