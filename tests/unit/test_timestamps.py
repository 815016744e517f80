"""Timestamps of the API: one output format, and the ISO 8601 formats that are parsed."""

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authfactor.wire import timestamps

OUTPUT_FORMAT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
END_OF_9999: Final = 253_402_300_799_999


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (10, "1970-01-01T00:00:00.010Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (1000, "1970-01-01T00:00:01.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_120, "2000-02-29T00:00:00.120Z"),
        (1_111_111_111_500, "2005-03-18T01:58:31.500Z"),
        (2_147_483_648_000, "2038-01-19T03:14:08.000Z"),
        (END_OF_9999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_timestamp_has_three_fraction_digits_and_ends_in_z(milliseconds: int, text: str) -> None:
    assert timestamps.format_ms(milliseconds) == text
    assert timestamps.parse(text) == milliseconds


def test_adjacent_milliseconds_have_different_fractions() -> None:
    formatted = [timestamps.format_ms(1_700_000_000_000 + offset) for offset in (0, 1, 999, 1000, 0)]

    assert [text[-7:] for text in formatted] == ["20.000Z", "20.001Z", "20.999Z", "21.000Z", "20.000Z"]


def test_formatting_none_returns_none() -> None:
    assert timestamps.format_optional(None) is None
    assert timestamps.format_optional(0) == "1970-01-01T00:00:00.000Z"


@given(st.integers(0, END_OF_9999))
def test_every_millisecond_can_be_parsed_back(milliseconds: int) -> None:
    text = timestamps.format_ms(milliseconds)

    assert OUTPUT_FORMAT.fullmatch(text)
    assert timestamps.parse(text) == milliseconds


@given(st.integers(0, END_OF_9999), st.integers(0, END_OF_9999))
def test_formatted_timestamps_sort_chronologically(one: int, other: int) -> None:
    assert (timestamps.format_ms(one) < timestamps.format_ms(other)) == (one < other)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:01Z", 1000),
        ("1970-01-01T00:00:01", 1000),
        ("1970-01-01 00:00:01", 1000),
        ("1970-01-01T01:00:01+01:00", 1000),
        ("1969-12-31T19:00:01.5-05:00", 1500),
        ("1970-01-01T00:00:01.0004Z", 1000),
        ("1970-01-01T00:00:01.000600Z", 1001),
        ("1970-01-02", 86_400_000),
    ],
)
def test_other_iso_8601_formats_are_parsed(text: str, milliseconds: int) -> None:
    assert timestamps.parse(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "0",
        "1700000000",
        "2026-02-29T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:60Z",
        "\0",
    ],
)
def test_invalid_timestamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        timestamps.parse(text)


@given(st.text(max_size=40))
def test_parsing_any_text_raises_only_value_error(text: str) -> None:
    try:
        timestamps.parse(text)
    except ValueError:
        return
