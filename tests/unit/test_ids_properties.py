"""Ids: sorting by id is sorting by creation, for any clock and entropy."""

import itertools
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from authfactor import ids

TIMES: Final = st.integers(0, 2**48 - 1)
RANDOM: Final = st.integers(0, 2**80 - 1)
PREFIXES: Final = st.sampled_from([ids.USER, ids.FACTOR, ids.CHALLENGE, ids.EVENT, ""])


@given(TIMES, RANDOM, PREFIXES)
def test_time_and_randomness_can_be_decoded(milliseconds: int, randomness: int, prefix: str) -> None:
    text = ids.ulid(milliseconds, randomness)
    value = 0
    for character in text:
        value = value * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(character)

    assert ids.is_ulid(text)
    assert divmod(value, 2**80) == (milliseconds, randomness)
    assert ids.milliseconds_of(prefix + text) == milliseconds


@given(st.tuples(TIMES, RANDOM), st.tuples(TIMES, RANDOM))
def test_ulids_sort_by_time_and_then_randomness(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (ids.ulid(*one) < ids.ulid(*other)) == (one < other)


@given(st.lists(st.tuples(st.integers(0, 50), st.binary(min_size=10, max_size=10)), min_size=1, max_size=60))
def test_ids_strictly_increase_for_any_clock_and_entropy(
    draws: list[tuple[int, bytes]],
) -> None:
    clock, entropy = iter([at for at, _ in draws]), iter([drawn for _, drawn in draws])
    new_id = ids.IdGenerator(lambda: next(clock), lambda _: next(entropy))
    created = [new_id(ids.USER) for _ in draws]
    latest = [max(at for at, _ in draws[: count + 1]) for count in range(len(draws))]

    assert all(earlier < later for earlier, later in itertools.pairwise(created))
    assert [ids.milliseconds_of(one) for one in created] == latest
    assert all(ids.is_ulid(one.removeprefix(ids.USER)) for one in created)


@given(st.text(max_size=30))
def test_exactly_well_formed_text_is_a_ulid(text: str) -> None:
    assert ids.is_ulid(text) == (
        len(text) == 26
        and text[0] in "01234567"
        and all(c in "0123456789ABCDEFGHJKMNPQRSTVWXYZ" for c in text)
    )
