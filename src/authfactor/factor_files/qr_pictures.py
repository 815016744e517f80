"""QR codes in screenshots, which an app shows to move its factors; needs the extra `qr`."""

import io
import warnings
from collections.abc import Iterator
from typing import Final

from authfactor.factor_files import lines
from authfactor.factor_files.entries import Read, UnreadableFile

MAX_PIXELS: Final = 50_000_000
_FORMATS: Final = ("PNG", "JPEG")


def read(content: bytes) -> Iterator[Read]:
    """Read the URIs of all QR codes in a PNG or JPEG image. Raises `UnreadableFile`."""
    try:
        import zxingcpp  # noqa: PLC0415 - an extra
        from PIL import Image  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UnreadableFile("Reading QR codes needs two packages: pip install 'authfactor[qr]'.") from error
    codes = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
            if picture.width * picture.height > MAX_PIXELS:
                raise UnreadableFile(f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels.")
            found = zxingcpp.read_barcodes(picture.convert("L"), formats=codes)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UnreadableFile("The file is no PNG or JPEG picture.") from error
    texts = [code.text for code in found if code.text.lower().startswith("otpauth")]
    if not texts:
        raise UnreadableFile("No QR code with an otpauth URI was found in the picture.")
    yield from lines.otpauth_list((f"QR code {number}", text) for number, text in enumerate(texts, 1))
