"""QR codes: what one costs, whether each can be read back, and what choosing a mask is worth.

python bench/qr.py                  microseconds per image, by stage, compared with other encoders
python bench/qr.py --check 100000   that many random URIs through zxing-cpp, which must return each exactly
python bench/qr.py --masks 300      ways to choose the mask: time, and how many degraded images are read
"""

import argparse
import base64
import gc
import io
import random
import string
import sys
import time
from binascii import b2a_base64
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any
from urllib.parse import quote

import numpy as np
import zxingcpp
from PIL import Image, ImageFilter

from authfactor.otp import qr
from authfactor.otp.qr.codewords import data_codewords, interleaved
from authfactor.otp.qr.layout import MASKS, Layout, layout_of
from authfactor.otp.qr.masks import choose, lookalike_penalty, plain_penalty

QR_ONLY = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
ALPHABETS = [
    string.ascii_letters,
    string.ascii_letters + " .-'&/",
    "äöüßéñçÅø",
    "абвгде",
    "日本語漢字",
    "🔑🙂",
]
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
TYPICAL = "otpauth://totp/Acme%20Corp:kim@example.org?secret={}&issuer=Acme%20Corp&algorithm=SHA1&digits=6&period=30"


def typical_uris(draw: random.Random, number: int) -> list[str]:
    return [TYPICAL.format("".join(draw.choices(BASE32, k=32))) for _ in range(number)]


def any_uri(draw: random.Random) -> str:
    """Return a URI whose names, secret and extra parameters vary in script and length."""

    def name(longest: int) -> str:
        return "".join(draw.choices(draw.choice(ALPHABETS), k=draw.randint(1, longest)))

    issuer, account = quote(name(24), safe=""), quote(name(32), safe="@")
    secret = "".join(draw.choices(BASE32, k=draw.choice([16, 26, 32, 52, 103])))
    tail = draw.choice(["", "&algorithm=SHA1&digits=6&period=30", "&image=" + "x" * draw.randint(0, 400)])
    return f"otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}{tail}"


# --- time ---


def microseconds(action: Callable[[Any], object], inputs: list[Any], runs: int = 15) -> float:
    """Return the median over runs of the mean time of one call."""
    means = []
    gc.disable()
    for _ in range(runs):
        started = time.perf_counter()
        for value in inputs:
            action(value)
        means.append((time.perf_counter() - started) / len(inputs) * 1e6)
    gc.enable()
    return median(means)


def with_segno() -> Callable[[str], bytes]:
    import segno  # noqa: PLC0415 - a peer that need not be installed

    def picture(text: str) -> bytes:
        target = io.BytesIO()
        segno.make_qr(text, error="m", boost_error=False).save(target, kind="png", scale=8, border=4)
        return target.getvalue()

    return picture


def with_qrcode() -> Callable[[str], bytes]:
    import qrcode  # noqa: PLC0415 - a peer that need not be installed

    def picture(text: str) -> bytes:
        code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, box_size=8, border=4)
        code.add_data(text)
        target = io.BytesIO()
        code.make_image().save(target, "PNG")
        return target.getvalue()

    return picture


def with_zxing() -> Callable[[str], bytes]:
    def picture(text: str) -> bytes:
        code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
        target = io.BytesIO()
        Image.fromarray(np.array(code.to_image(scale=8))).save(target, "PNG")
        return target.getvalue()

    return picture


def peers() -> Iterator[tuple[str, Callable[[str], bytes]]]:
    made = (("segno", with_segno), ("qrcode + Pillow", with_qrcode), ("zxing-cpp + Pillow", with_zxing))
    for name, make in made:
        try:
            yield name, make()
        except ImportError:
            print(f"  {name:22} not installed")


def measure() -> None:
    uris = typical_uris(random.Random(1), 200)
    version = qr.encode(uris[0]).version
    layout = layout_of(version)
    texts = [uri.encode() for uri in uris]
    words = [data_codewords(text, version) for text in texts]
    streams = [interleaved(word, version) for word in words]
    placed = [layout.place(stream) for stream in streams]
    symbols = [qr.encode(uri) for uri in uris]
    pictures = [qr.png(symbol) for symbol in symbols]
    stages: list[tuple[str, Callable[[Any], object], list[Any]]] = [
        ("data codewords", lambda text: data_codewords(text, version), texts),
        ("check codewords", lambda word: interleaved(word, version), words),
        ("placing", layout.place, streams),
        ("choosing the mask", lambda bits: choose(layout, bits), placed),
        ("PNG", qr.png, symbols),
        ("base64", lambda picture: b2a_base64(picture, newline=False).decode(), pictures),
    ]
    print(f"{len(uris[0])} bytes, version {version}-M, PNG of {len(pictures[0])} bytes; microseconds, median")
    for name, action, inputs in stages:
        print(f"  {name:22}{microseconds(action, inputs):9.1f}")
    whole = microseconds(qr.png_data_uri, uris)
    print(f"  {'text to data URI':22}{whole:9.1f}")
    for name, picture in peers():
        cost = microseconds(picture, uris[:10], runs=5)
        print(f"  {name:22}{cost:9.1f}  {cost / whole:6.1f} times as long")


# --- reading back ---


def read(gray: np.ndarray[Any, Any]) -> list[str]:
    found = zxingcpp.read_barcodes(gray, formats=QR_ONLY, text_mode=zxingcpp.TextMode.Plain)
    return [code.text for code in found]


def pixels(picture: bytes) -> Image.Image:
    return Image.open(io.BytesIO(picture)).convert("L")


def check(number: int, seed: int) -> int:
    """Read back this many images; report the first that is not read exactly."""
    draw = random.Random(seed)
    versions: dict[int, int] = {}
    for done in range(1, number + 1):
        uri = any_uri(draw)
        picture = base64.b64decode(qr.png_data_uri(uri).partition(",")[2], validate=True)
        if read(np.array(pixels(picture))) != [uri]:
            print(f"not read back (seed {seed}, number {done}): {uri}")
            return 1
        version = (Image.open(io.BytesIO(picture)).width // 8 - 8 - 17) // 4
        versions[version] = versions.get(version, 0) + 1
        if done % 5000 == 0 or done == number:
            print(f"{done} of {number} read back exactly", flush=True)
    print("versions: " + ", ".join(f"{version}: {times}" for version, times in sorted(versions.items())))
    return 0


# --- masks ---


def by_penalty(*parts: Callable[[Layout, int, int, int], int]) -> Callable[[Layout, int], tuple[int, int]]:
    def chosen(layout: Layout, placed: int) -> tuple[int, int]:
        best = None
        change_left = (placed ^ placed >> 1) & layout.inner_left
        change_above = (placed ^ placed >> layout.stride) & layout.inner_above
        for mask, pattern in zip(MASKS, layout.patterns, strict=True):
            canvas = placed ^ pattern.dark
            same = change_left ^ pattern.same_left, change_above ^ pattern.same_above
            penalty = sum(part(layout, canvas, *same) for part in parts)
            best = min(best, (penalty, mask, canvas)) if best else (penalty, mask, canvas)
        assert best
        return best[1], best[2]

    return chosen


def worst(layout: Layout, placed: int) -> tuple[int, int]:
    def negated(layout: Layout, canvas: int, same_left: int, same_above: int) -> int:
        parts = plain_penalty, lookalike_penalty
        return -sum(part(layout, canvas, same_left, same_above) for part in parts)

    return by_penalty(negated)(layout, placed)


def always(mask: int) -> Callable[[Layout, int], tuple[int, int]]:
    return lambda layout, placed: (mask, placed ^ layout.patterns[mask].dark)


def photographed(picture: Image.Image, kind: str, severity: float, seed: int) -> np.ndarray[Any, Any]:
    """Degrade an image as a camera would; the same seed degrades every mask's image alike."""
    noise = np.random.default_rng(seed)
    modules = picture.width // 8
    turn = float(noise.uniform(-20, 20))
    side = round(modules * (8 if kind != "small" else severity))
    image = picture.resize((side, side), Image.Resampling.BILINEAR)
    image = image.rotate(turn, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    if kind == "blurred":
        image = image.filter(ImageFilter.GaussianBlur(severity * 8))
    gray = np.asarray(image, dtype=float)
    if kind == "noisy":
        gray = gray + noise.normal(0, severity, gray.shape)
    if kind == "smeared":
        for _ in range(int(severity)):
            row, column = noise.integers(side // 6, gray.shape[0] - side // 6, 2)
            gray[row : row + 24, column : column + 24] = noise.integers(0, 2) * 255
    shade = np.linspace(0.55, 1.0, gray.shape[1])
    return np.clip(gray * shade, 0, 255).astype(np.uint8)


# Near the limit of what the decoder reads, because otherwise the masks would not differ.
HARDSHIPS = [
    *(("small", severity) for severity in (1.35, 1.4, 1.45, 1.5)),
    *(("blurred", severity) for severity in (0.44, 0.47, 0.5, 0.53)),
    *(("noisy", severity) for severity in (40, 70, 100, 130)),
    *(("smeared", severity) for severity in (8, 12, 16, 20)),
]


def varied_uris(draw: random.Random, number: int) -> list[str]:
    """Return URIs of version 7 to 9 with random names."""
    uris: list[str] = []
    while len(uris) < number:
        uri = any_uri(draw)
        uris += [uri] if 106 < len(uri) <= 180 else []
    return uris


def repetitive_uris(draw: random.Random, number: int) -> list[str]:
    """Return URIs whose account repeats a short word, the worst case for a mask."""
    words = (
        "".join(draw.choices(string.ascii_letters + string.digits, k=1 + place % 3))
        for place in range(number)
    )
    return [
        f"otpauth://totp/{(word * 100)[:100]}?secret={''.join(draw.choices(BASE32, k=32))}" for word in words
    ]


Way = Callable[[Layout, int], tuple[int, int]]


def placed_bits(uri: str) -> tuple[int, Layout, int]:
    version = qr.encode(uri, mask=0).version
    layout = layout_of(version)
    return version, layout, layout.place(interleaved(data_codewords(uri.encode(), version), version))


def photographs_read(way: Way, uris: list[str]) -> np.ndarray[Any, Any]:
    """Return whether each URI was read under each degradation."""
    outcomes = np.zeros((len(uris), len(HARDSHIPS)))
    for index, uri in enumerate(uris):
        version, layout, bits = placed_bits(uri)
        picture = pixels(qr.png(qr.Symbol(version, *way(layout, bits))))
        for place, (kind, severity) in enumerate(HARDSHIPS):
            outcomes[index, place] = uri in read(photographed(picture, kind, severity, seed=index))
    return outcomes


def compare_masks(number: int, seed: int) -> None:
    ways: dict[str, Way] = {
        "full penalty (ours)": choose,
        "without lookalikes": by_penalty(plain_penalty),
        "lookalikes only": by_penalty(lookalike_penalty),
        **{f"always mask {mask}": always(mask) for mask in MASKS},
        "greatest penalty": worst,
    }
    _, layout, _ = placed_bits(typical_uris(random.Random(seed), 1)[0])
    timed = [placed_bits(uri)[2] for uri in typical_uris(random.Random(seed), 200)]
    for name, way in {**ways, "full, no early end": by_penalty(plain_penalty, lookalike_penalty)}.items():
        print(f"{name:22}{microseconds(lambda bits, way=way: way(layout, bits), timed):7.1f} us", flush=True)
    kinds = [kind for kind, _ in HARDSHIPS]
    for label, make in (("varied", varied_uris), ("repetitive", repetitive_uris)):
        uris = make(random.Random(seed), number)
        print(f"\n{number} {label} URIs, {len(HARDSHIPS)} photographs of each; read, in per cent")
        print(f"{'':22}" + "".join(f"{kind:>9}" for kind in dict.fromkeys(kinds)) + "      all   less ours")
        ours = None
        for name, way in ways.items():
            outcomes = photographs_read(way, uris)
            ours = outcomes if ours is None else ours
            shares = [100 * outcomes[:, np.array(kinds) == kind].mean() for kind in dict.fromkeys(kinds)]
            # Photographs of one URI are not independent; URIs are.
            gains = 100 * (outcomes - ours).mean(axis=1)
            error = gains.std(ddof=1) / len(uris) ** 0.5
            row = "".join(f"{share:9.1f}" for share in [*shares, 100 * outcomes.mean()])
            print(f"{name:22}{row}   {gains.mean():+.1f} +- {error:.1f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", type=int, metavar="N", help="read back N random URIs")
    parser.add_argument("--masks", type=int, metavar="N", help="compare ways to choose the mask on N URIs")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.check:
        return check(chosen.check, chosen.seed)
    if chosen.masks:
        compare_masks(chosen.masks, chosen.seed)
    else:
        measure()
    return 0


if __name__ == "__main__":
    sys.exit(main())
