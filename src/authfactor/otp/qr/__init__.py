"""QR symbols of otpauth URIs: byte mode, error correction M, drawn as PNG, SVG or terminal text.

Optimized for this one case (ISO/IEC 18004:2015 fixes every choice but the mask): a symbol is one integer, and
the constant parts of a version are computed once and cached. Pure: no I/O, clock or randomness.
"""

from authfactor.otp.qr.png import Drawing, png, png_data_uri
from authfactor.otp.qr.svg_and_text import svg, terminal
from authfactor.otp.qr.symbol import Symbol, TooLong, encode
from authfactor.otp.qr.versions import MAX_BYTES

__all__ = ["MAX_BYTES", "Drawing", "Symbol", "TooLong", "encode", "png", "png_data_uri", "svg", "terminal"]
