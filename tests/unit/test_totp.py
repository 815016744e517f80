"""TOTP: published vectors, the window of accepted steps, and the formats of a typed code."""

import hmac
import json
from pathlib import Path
from typing import Any, Final

import pytest

from authfactor.otp import totp

VECTORS: Final = Path(__file__).parent / "vectors" / "totp"
SECRET: Final = b"12345678901234567890"
NOW: Final = 1_111_111_111


def _published(name: str) -> list[Any]:
    vectors: list[Any] = json.loads((VECTORS / name).read_text())["vectors"]
    return vectors


@pytest.mark.parametrize("vector", _published("rfc4226.json"), ids=lambda v: f"counter {v['counter']}")
def test_codes_equal_those_of_rfc_4226_appendix_d(vector: dict[str, Any]) -> None:
    assert totp.code_at(SECRET, vector["counter"]) == vector["code"]
    assert totp.code_number(SECRET, vector["counter"]) == vector["truncated"] % 1_000_000


@pytest.mark.parametrize("vector", _published("rfc6238.json"), ids=lambda v: f"second {v['seconds']}")
def test_codes_equal_those_of_rfc_6238_appendix_b(vector: dict[str, Any]) -> None:
    step = totp.step_at(vector["seconds"])

    assert step == int(vector["step"], 16)
    assert totp.code_at(SECRET, step) == vector["code"][-totp.DIGITS :]
    assert totp.match_step(SECRET, vector["code"][-totp.DIGITS :], vector["seconds"], 0) == step


@pytest.mark.parametrize("name", ["rfc4226.json", "rfc6238.json"])
def test_vector_files_use_the_secret_of_these_tests(name: str) -> None:
    assert json.loads((VECTORS / name).read_text())["secret"].encode() == SECRET


@pytest.mark.parametrize(("second", "step"), [(0, 0), (29, 0), (30, 1), (59, 1), (60, 2)])
def test_steps_are_thirty_seconds_counted_from_the_epoch(second: int, step: int) -> None:
    assert totp.step_at(second) == step


def test_a_code_keeps_its_leading_zeros() -> None:
    assert totp.code_at(SECRET, 0x23523EC) == "081804"
    assert totp.code_number(SECRET, 0x23523EC) == 81_804


@pytest.mark.parametrize("window", [0, 1, 2])
def test_exactly_the_steps_within_the_window_are_accepted(window: int) -> None:
    now = totp.step_at(NOW)
    accepted = {
        distance
        for distance in range(-5, 6)
        if totp.match_step(SECRET, totp.code_at(SECRET, now + distance), NOW, window) is not None
    }

    assert accepted == set(range(-window, window + 1))


@pytest.mark.parametrize("window", [0, 1, 2])
def test_match_returns_the_step_of_the_code_not_of_the_clock(window: int) -> None:
    now = totp.step_at(NOW)

    for step in range(now - window, now + window + 1):
        assert totp.match_step(SECRET, totp.code_at(SECRET, step), NOW, window) == step


@pytest.mark.parametrize("window", [0, 1, 2])
def test_code_is_accepted_up_to_the_exact_edges_of_the_window(window: int) -> None:
    step = totp.step_at(NOW)
    code = totp.code_at(SECRET, step)
    first, last = (step - window) * totp.PERIOD_SECONDS, (step + window + 1) * totp.PERIOD_SECONDS - 1

    assert [totp.match_step(SECRET, code, at, window) for at in (first - 1, first)] == [None, step]
    assert [totp.match_step(SECRET, code, at, window) for at in (last, last + 1)] == [step, None]


# Steps of SECRET, found by search, whose codes are the same.
@pytest.mark.parametrize(
    ("earlier", "later", "code"),
    [
        (910_737, 910_738, "911617"),
        (153_567, 153_569, "468457"),
        (103_424, 103_427, "746629"),
        (2_288_500, 2_288_504, "129560"),
    ],
)
def test_code_shared_by_two_steps_matches_the_later_step(earlier: int, later: int, code: str) -> None:
    assert totp.code_at(SECRET, earlier) == totp.code_at(SECRET, later) == code
    at = (later - 2) * totp.PERIOD_SECONDS  # Both steps are within two steps of this time.

    assert totp.match_step(SECRET, code, at, 2) == later


@pytest.mark.parametrize("window", [0, 1, 2])
@pytest.mark.parametrize("distance", [-2, -1, 0, 1, 2, 9])
def test_every_step_of_the_window_is_compared_even_after_a_match(
    monkeypatch: pytest.MonkeyPatch, window: int, distance: int
) -> None:
    now = totp.step_at(NOW)
    code = totp.code_at(SECRET, now + distance)
    digest, compare = hmac.digest, hmac.compare_digest
    counters: list[int] = []
    compared: list[tuple[bytes, bytes]] = []

    def counting_digest(key: bytes, message: bytes, name: str) -> bytes:
        counters.append(int.from_bytes(message, "big"))
        return digest(key, message, name)

    def counting_compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "digest", counting_digest)
    monkeypatch.setattr(hmac, "compare_digest", counting_compare)
    totp.match_step(SECRET, code, NOW, window)
    monkeypatch.undo()

    steps = list(range(now - window, now + window + 1))
    assert counters == steps
    assert compared == [(totp.code_at(SECRET, step).encode(), code.encode()) for step in steps]


@pytest.mark.parametrize("window", [0, 1, 2])
def test_window_at_the_epoch_has_no_negative_steps(window: int) -> None:
    assert totp.match_step(SECRET, totp.code_at(SECRET, 0), 0, window) == 0
    for step in range(3):
        expected = step if step <= window else None
        assert totp.match_step(SECRET, totp.code_at(SECRET, step), 0, window) == expected


@pytest.mark.parametrize("at", [-1, -30, -10_000])
def test_no_code_matches_before_the_epoch(at: int) -> None:
    assert totp.match_step(SECRET, totp.code_at(SECRET, 0), at, 0) is None


@pytest.mark.parametrize(
    "code",
    ["", "0", "50471", "14050471", "0504711", " 050471", "\uff10\uff15\uff10\uff14\uff17\uff11", "\ud800"],
)
def test_malformed_code_does_not_match(code: str) -> None:
    assert totp.match_step(SECRET, "050471", NOW, 1) == totp.step_at(NOW)
    assert totp.match_step(SECRET, code, NOW, 1) is None


def test_code_of_another_secret_does_not_match() -> None:
    assert totp.match_step(SECRET[::-1], totp.code_at(SECRET, totp.step_at(NOW)), NOW, 2) is None


@pytest.mark.parametrize("size", [1, 10, 20, 63, 64, 65, 128])
def test_secrets_around_the_sha_1_block_size_match_their_codes(size: int) -> None:
    secret = bytes(range(size))

    assert totp.match_step(secret, totp.code_at(secret, 7), 7 * totp.PERIOD_SECONDS, 0) == 7


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("123456", "123456"),
        ("000000", "000000"),
        ("123 456", "123456"),
        (" 12 34 56 ", "123456"),
        ("123-456", "123456"),
        ("- 12-34-56 -", "123456"),
    ],
)
def test_spaces_and_hyphens_in_a_typed_code_are_removed(typed: str, code: str) -> None:
    assert totp.clean_code(typed) == code


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("", id="empty"),
        pytest.param("      ", id="only spaces"),
        pytest.param("12345", id="five digits"),
        pytest.param("1234567", id="seven digits"),
        pytest.param("12345678", id="eight digits"),
        pytest.param("-12345", id="minus"),
        pytest.param("+12345", id="plus"),
        pytest.param("12345-", id="hyphen as a digit"),
        pytest.param("12345a", id="letter"),
        pytest.param("1e1000", id="exponent"),
        pytest.param("1_2345", id="underscore"),
        pytest.param("12.345", id="point"),
        pytest.param("123456\n", id="line feed after"),
        pytest.param("\n123456", id="line feed before"),
        pytest.param("12345\n", id="line feed as a digit"),
        pytest.param("123\t456", id="tab"),
        pytest.param("123\u00a0456", id="no-break space"),
        pytest.param("123456\0", id="nul"),
        pytest.param("\uff11\uff12\uff13\uff14\uff15\uff16", id="full-width"),
        pytest.param("\u0661\u0662\u0663\u0664\u0665\u0666", id="Arabic-Indic"),
        pytest.param("\u0967\u0968\u0969\u096a\u096b\u096c", id="Devanagari"),
        pytest.param("12345\u2076", id="superscript"),
        pytest.param("12345\u2165", id="roman numeral"),
    ],
)
def test_typed_code_that_is_not_six_digits_is_refused(typed: str) -> None:
    assert totp.clean_code(typed) is None
