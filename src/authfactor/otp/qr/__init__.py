"""QR symbols of otpauth URIs: byte mode, error correction M, drawn as PNG, SVG or terminal text.

Written for speed on this one case (ISO/IEC 18004:2015 fixes every choice but the mask): a symbol is one
integer, and what a version always has is worked out once and kept. Pure: no I/O, clock or randomness.
"""

from authfactor.otp.qr.png import Drawing, png, png_data_uri
from authfactor.otp.qr.svg_and_text import svg, terminal
from authfactor.otp.qr.symbol import Symbol, TooLong, encode
from authfactor.otp.qr.versions import MAX_BYTES

__all__ = ["MAX_BYTES", "Drawing", "Symbol", "TooLong", "encode", "png", "png_data_uri", "svg", "terminal"]
