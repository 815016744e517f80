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
    elif typed.imported:
        assert not kinds
        assert recovery_code.clean_imported(text) == typed.text
        assert len(typed.text) >= 8
    elif typed.method == "totp":
        assert not kinds
        assert len(typed.text) == 6
    else:
        assert kinds == [typed.text]


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("AB12cd34", "ab12cd34"),
        (" ab12-cd34 ", "ab12cd34"),
        ("f47ac10b-58cc-4372-a567-0e02b2c3d479", "f47ac10b58cc4372a5670e02b2c3d479"),
        ("12345678", "12345678"),
        ("O0Il" * 3, "o0ilo0ilo0il"),
        ("x" * 40, "x" * 40),
    ],
)
def test_code_of_another_system_is_read_whatever_is_typed_around_it(typed: str, code: str) -> None:
    assert read_code(typed) == TypedCode("recovery_code", code, imported=True)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ab12cd3",
        "x" * 41,
        '{"id": "12345678"}',
        "ab12_cd34",
        "\xe4b12cd34",
        "\uff112345678",
    ],
)
def test_other_shapes_are_no_code_of_another_system(typed: str) -> None:
    assert read_code(typed) is None


@pytest.mark.parametrize("typed", ["123456", "123 456", CODE, CODE.upper(), "o" * 16])
def test_what_has_another_meaning_is_no_code_of_another_system(typed: str) -> None:
    found = read_code(typed)
    assert found is not None
    assert not found.imported
    assert recovery_code.clean_imported(typed) is None


@pytest.mark.parametrize(
    ("codes", "bits"),
    [
        (["12345678", "87654321"], 26),
        (["a1b2c3d4", "12345678"], 32),
        (["k7x9q2m4", "lzzuzzz9"], 41),
        (["k7x9q2m4w1", "abcdefghil"], 51),
        (["abc1def2gh9u", "1234567890al"], 62),
        (["ab" * 8], 64),
        (["ab" * 7 + "a"], 60),
        (["f47ac10b58cc4372a5670e02b2c3d479"], 128),
        (["f47ac10b58cc4372a5670e02b2c3d479", "12345678"], 32),
    ],
)
def test_bits_are_estimated_from_the_alphabet_of_the_set_and_its_shortest_code(
    codes: list[str], bits: int
) -> None:
    assert recovery_code.estimated_bits(codes) == bits


def test_repr_of_a_typed_code_omits_it() -> None:
    assert CODE not in repr(read_code(CODE))
