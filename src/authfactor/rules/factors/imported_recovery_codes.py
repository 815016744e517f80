"""Which recovery codes of another system can be imported as a user's set (decision 0041)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from authfactor.errors import InvalidRequest, Item
from authfactor.otp import recovery_code, totp

MOST: Final = 50


class ImportedSet(NamedTuple):
    """The codes of a set without what people type around them, and how many bits each has at most."""

    codes: tuple[str, ...]
    bits: int

    def __repr__(self) -> str:
        """Omit the codes, for logs and tracebacks."""
        return f"ImportedSet({len(self.codes)} codes, {self.bits} bits)"


def read(texts: Sequence[str] | None) -> ImportedSet:
    """Return the set that these texts are. Raises `InvalidRequest`, which names codes by their position."""
    if not texts:
        raise InvalidRequest(Item("codes", "codes_required", "codes: required, at least one recovery code."))
    if len(texts) > MOST:
        raise InvalidRequest(Item("codes", "codes_too_many", f"codes: at most {MOST} recovery codes."))
    codes: list[str] = []
    items: list[Item] = []
    for at, text in enumerate(texts):
        code = recovery_code.clean_code(text) or recovery_code.clean_imported(text)
        if code is None:
            items.append(_unusable(at, text))
        elif code in codes:
            items.append(Item(f"codes.{at}", "recovery_code_repeated", f"codes.{at}: as an earlier one."))
        else:
            codes.append(code)
    if items:
        raise InvalidRequest(*items)
    bits = recovery_code.estimated_bits(codes)
    if bits < recovery_code.ENOUGH_BITS:
        # They would be looked up as codes made here are: under a lock, and without counting an attempt.
        items = [_guessable(at) for at, code in enumerate(codes) if recovery_code.clean_code(code)]
        if items:
            raise InvalidRequest(*items)
    return ImportedSet(tuple(codes), bits)


def _unusable(at: int, text: str) -> Item:
    if totp.clean_code(text) is not None:
        message = f"codes.{at}: six digits are a code of the app, never a recovery code."
    else:
        message = (
            f"codes.{at}: {recovery_code.SHORTEST_IMPORTED} to {recovery_code.LONGEST_IMPORTED} letters"
            " and digits; only spaces and hyphens may be between them."
        )
    return Item(f"codes.{at}", "recovery_code_malformed", message)


def _guessable(at: int) -> Item:
    message = (
        f"codes.{at}: 16 characters are the form of codes made here, and those of this set can be guessed:"
        f" they have fewer than {recovery_code.ENOUGH_BITS} bits."
    )
    return Item(f"codes.{at}", "recovery_code_guessable", message)
