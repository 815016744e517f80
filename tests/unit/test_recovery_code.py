"""Recovery codes as text: how they are made, typed and told from six digits."""

import random
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authfactor.otp import recovery_code
from authfactor.otp.recovery_code import TypedCode, read_code

CODE: Final = "0123456789abcdef"


@pytest.mark.parametrize(
    "typed",
    [
        CODE,
        CODE.upper(),
        "0123-4567-89ab-cdef",
        "  0123 4567\t89AB-CDEF\n",
        "o123-4567-89ab-cdef",
        "Oi23-4567-89ab-cdef",
        "0l23456789abcdef",
        "0-1-2-3-4-5-6-7-8-9-a-b-c-d-e-f",
    ],
)
def test_typing_does_not_matter(typed: str) -> None:
    assert recovery_code.clean_code(typed) == CODE


@pytest.mark.parametrize(
    "typed",
    [
        "",
        CODE[:-1],
        CODE + "0",
        "u123456789abcdef",
        "0123456789abcde\u0661",
        "\uff10123456789abcdef",
        "0123_4567_89ab_cdef",
        CODE + " " * 64,
    ],
)
def test_other_text_is_no_code(typed: str) -> None:
    assert recovery_code.clean_code(typed) is None


def test_code_has_80_random_bits() -> None:
    asked: list[int] = []

    def entropy(count: int) -> bytes:
        asked.append(count)
        return bytes([255]) * count

    assert recovery_code.make(entropy) == "z" * 16
    assert asked == [10]
    assert recovery_code.make(bytes) == "0" * 16


def test_each_bit_changes_the_code() -> None:
    made = {recovery_code.make(lambda _, bit=bit: (1 << bit).to_bytes(10, "big")) for bit in range(80)}  # type: ignore[misc]  # bound now
    assert len(made) == 80


@given(st.integers(0, 2**32))
def test_shown_code_is_read_as_it_was_made(seed: int) -> None:
    code = recovery_code.make(random.Random(seed).randbytes)
    shown = recovery_code.grouped(code)
    assert [len(group) for group in shown.split("-")] == [4, 4, 4, 4]
    assert read_code(shown) == read_code(shown.upper()) == TypedCode("recovery_code", code)


@given(st.text("0123456789abcdeilou -", max_size=40))
@example("123456")
@example("1234567890123456")
def test_no_text_is_two_kinds_of_code(text: str) -> None:
    """Otherwise one submission would be two guesses."""
    kinds = [reader for reader in (recovery_code.clean_code(text),) if reader is not None]
    typed = read_code(text)
    if typed is None:
        assert not kinds
    elif typed.method == "totp":
        assert not kinds
        assert len(typed.text) == 6
    else:
        assert kinds == [typed.text]


def test_repr_of_a_typed_code_omits_it() -> None:
    assert CODE not in repr(read_code(CODE))
