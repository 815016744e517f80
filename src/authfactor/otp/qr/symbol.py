"""Encode a text as a QR symbol: byte mode, error correction M, the smallest version that holds it."""

from dataclasses import dataclass

from authfactor.otp.qr.codewords import data_codewords, interleaved
from authfactor.otp.qr.layout import MASKS, layout_of
from authfactor.otp.qr.masks import choose
from authfactor.otp.qr.versions import LAST_VERSION, MAX_BYTES, side, version_for


class TooLong(ValueError):
    """The text has more bytes than the largest symbol holds at error correction M."""

    def __init__(self, length: int, limit: int = MAX_BYTES) -> None:
        """Keep both figures, in bytes."""
        super().__init__(length, limit)
        self.length = length
        self.limit = limit

    def __str__(self) -> str:
        """Return both sizes, never the text, which contains a secret."""
        return f"text of {self.length} bytes exceeds the {self.limit} a QR symbol holds"


@dataclass(frozen=True, slots=True, repr=False)
class Symbol:
    """A drawn symbol; `canvas` holds its modules as described in `authfactor.otp.qr.layout`.

    The repr omits the modules, since they encode the text.
    """

    version: int
    mask: int
    canvas: int

    @property
    def size(self) -> int:
        """Modules per side, without the quiet zone."""
        return side(self.version)

    @property
    def rows(self) -> tuple[int, ...]:
        """One integer per row, most significant bit leftmost, 1 dark, without the quiet zone."""
        return layout_of(self.version).rows(self.canvas)

    def __repr__(self) -> str:
        """Return version and mask only."""
        return f"Symbol(version={self.version}, mask={self.mask})"


def encode(text: str, *, mask: int | None = None) -> Symbol:
    """Encode a text as UTF-8 in the smallest version that holds it.

    `mask` is 0 to 7, or None for the one with the lowest penalty. Bytes outside ASCII get no ECI header,
    which readers of otpauth URIs do not expect; a URI percent-encodes them anyway.

    Raises `TooLong` above 2,331 bytes, and `ValueError` for another mask or for lone surrogates.
    """
    encoded = text.encode()
    version = version_for(len(encoded))
    if version > LAST_VERSION:
        raise TooLong(len(encoded))
    layout = layout_of(version)
    placed = layout.place(interleaved(data_codewords(encoded, version), version))
    if mask is None:
        return Symbol(version, *choose(layout, placed))
    if mask not in MASKS:
        message = f"mask {mask} is not one of 0 to 7"
        raise ValueError(message)
    return Symbol(version, mask, placed ^ layout.patterns[mask].dark)
