"""Ids: their format, their order, and the time they contain."""

import itertools
from collections.abc import Callable, Iterable
from typing import Final

import pytest

from authfactor import ids

PREFIXES: Final = {
    name: prefix for name, prefix in vars(ids).items() if isinstance(prefix, str) and prefix.endswith("_")
}
NOW: Final = 1_700_000_000_000


def _new_id(times: Iterable[int], entropy: Callable[[int], bytes] = bytes) -> ids.IdGenerator:
    clock = iter(times)
    return ids.IdGenerator(lambda: next(clock), entropy)


def test_prefixes_equal_those_of_the_api() -> None:
    assert PREFIXES == {
        "USER": "user_",
        "FACTOR": "auth_factor_",
        "CHALLENGE": "auth_challenge_",
        "SESSION": "session_",
        "EVENT": "event_",
        "WEBHOOK_ENDPOINT": "we_",
        "DELIVERY": "wd_",
        "MESSAGE": "message_",
        "CLIENT": "client_",
        "API_KEY": "api_key_",
        "SIGNING_KEY": "key_",
        "LINK": "link_",
        "TRUSTED_DEVICE": "trusted_device_",
        "EMAIL_VERIFICATION": "email_verification_",
        "MAGIC_AUTH": "magic_auth_",
        "PASSWORD_RESET": "password_reset_",
        "EMAIL_CHANGE": "email_change_",
        "INVITATION": "invitation_",
        "REDIRECT_URI": "redir_",
        "CORS_ORIGIN": "cors_origin_",
        "SIGN_IN_FLOW": "flow_",
        "BROWSER_SESSION": "browser_session_",
        "DEVICE_AUTHORIZATION": "device_",
        "OPERATOR": "operator_",
        "AUDIT": "audit_",
        "OPERATOR_SESSION": "operator_session_",
    }


@pytest.mark.parametrize("prefix", [*PREFIXES.values(), ""])
def test_id_is_its_prefix_and_a_26_character_ulid(prefix: str) -> None:
    created = _new_id([NOW])(prefix)

    assert created.startswith(prefix)
    assert len(created) == len(prefix) + 26
    assert ids.is_ulid(created.removeprefix(prefix))
    assert ids.milliseconds_of(created) == NOW


# The time part is the example of the ULID specification.
@pytest.mark.parametrize(
    ("milliseconds", "randomness", "text"),
    [
        (0, 0, "00000000000000000000000000"),
        (0, 1, "00000000000000000000000001"),
        (0, 31, "0000000000000000000000000Z"),
        (1, 0, "00000000010000000000000000"),
        (1_469_918_176_385, 0, "01ARYZ6S410000000000000000"),
        (2**48 - 1, 2**80 - 1, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"),
    ],
)
def test_a_ulid_is_128_bits_in_crockford_base32(milliseconds: int, randomness: int, text: str) -> None:
    assert ids.ulid(milliseconds, randomness) == text
    assert ids.is_ulid(text)
    assert ids.milliseconds_of(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 25,
        "0" * 27,
        "8" + "0" * 25,
        "Z" * 26,
        "0" * 25 + "I",
        "0" * 25 + "L",
        "0" * 25 + "O",
        "0" * 25 + "U",
        "01aryz6s410000000000000000",
        "0" * 25 + "\n",
        "0" * 25 + "\uff10",
        "user_01ARYZ6S410000000000000000",
    ],
)
def test_malformed_ulid_is_not_accepted(text: str) -> None:
    assert not ids.is_ulid(text)


def test_id_of_a_later_millisecond_sorts_after_earlier_ids() -> None:
    draws = iter([b"\xff" * 10, bytes(10), b"\x80" * 10])
    created = list(map(_new_id([NOW, NOW + 1, NOW + 2], lambda _: next(draws)), [ids.USER] * 3))

    assert created == sorted(created)
    assert [ids.milliseconds_of(one) for one in created] == [NOW, NOW + 1, NOW + 2]


def test_ids_of_one_millisecond_increase_by_one() -> None:
    new_id = _new_id(itertools.repeat(NOW))
    created = [new_id("") for _ in range(3)]

    assert created == [ids.ulid(NOW, randomness) for randomness in range(3)]


def test_maximum_entropy_leaves_room_for_increments() -> None:
    new_id = _new_id(itertools.repeat(NOW), lambda size: b"\xff" * size)
    created = [new_id("") for _ in range(3000)]

    assert created == [ids.ulid(NOW, 2**79 - 1 + count) for count in range(3000)]
    assert created == sorted(set(created))


def test_ids_still_increase_after_the_clock_goes_back() -> None:
    times = [NOW, NOW - 1, NOW - 3_600_000, NOW, NOW + 1]
    new_id = _new_id(times, lambda size: b"\x55" * size)
    created = [new_id(ids.FACTOR) for _ in times]

    assert created == sorted(set(created))
    assert [ids.milliseconds_of(one) for one in created] == [NOW] * 4 + [NOW + 1]


def test_entropy_is_drawn_once_per_millisecond() -> None:
    drawn: list[int] = []

    def entropy(size: int) -> bytes:
        drawn.append(size)
        return bytes([len(drawn)] * size)

    new_id = _new_id([0, 0, 1, 1, 0, 2], entropy)
    created = [new_id("") for _ in range(6)]

    assert drawn == [10, 10, 10]
    assert ids.milliseconds_of(created[0]) == 0
    assert created[0] != ids.ulid(0, 0)


def test_two_generators_make_different_ids_in_one_millisecond() -> None:
    one, other = _new_id([NOW], b"\x01".__mul__)(""), _new_id([NOW], b"\x02".__mul__)("")

    assert one != other
    assert one[:10] == other[:10]


@pytest.mark.parametrize("text", ["user_01ARYZ6S4U0000000000000000", "user_!" + "0" * 25])
def test_reading_the_time_of_a_malformed_id_raises(text: str) -> None:
    with pytest.raises(ValueError, match="substring not found"):
        ids.milliseconds_of(text)
