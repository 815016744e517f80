"""What kind of proof a `code` is: its shape alone decides, and no text has two shapes (decision 0041)."""

from typing import Literal, NamedTuple

from authfactor.otp import recovery_code, totp

Method = Literal["totp", "recovery_code"]


class TypedCode(NamedTuple):
    """A code of one kind, without what people type around it."""

    method: Method
    text: str

    def __repr__(self) -> str:
        """Omit the code, for logs and tracebacks."""
        return f"TypedCode({self.method}, ***)"


def read_code(text: str) -> TypedCode | None:
    """Return what a text is; None if it can be no code at all."""
    digits = totp.clean_code(text)
    if digits is not None:
        return TypedCode("totp", digits)
    code = recovery_code.clean_code(text)
    return None if code is None else TypedCode("recovery_code", code)
