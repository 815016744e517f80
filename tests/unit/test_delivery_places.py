"""Places for deliveries: no environment and no endpoint takes what others need."""

import pytest

from authfactor.rules.events.delivery_places import (
    MAX_CONCURRENT,
    MAX_PER_ENDPOINT,
    DeliveryPlaces,
    EndpointKey,
)


def fill(environments: int, endpoints: int) -> dict[EndpointKey, int]:
    """Let receivers that never respond take what they can, and return what they have taken."""
    taken: dict[EndpointKey, int] = {}
    keys = [
        (environment, f"we_{number}") for environment in range(environments) for number in range(endpoints)
    ]
    for _ in range(MAX_CONCURRENT):
        for key in keys:
            places = DeliveryPlaces(taken)
            if count := places.available(key):
                places.take(key, count)
                taken[key] = taken.get(key, 0) + count
    return taken


def test_one_endpoint_takes_a_few_places() -> None:
    assert sum(fill(1, 1).values()) == MAX_PER_ENDPOINT


@pytest.mark.parametrize("endpoints", [2, 6, 16, 100])
def test_dead_receivers_of_one_environment_take_at_most_half_of_the_places(endpoints: int) -> None:
    taken = fill(1, endpoints)
    assert sum(taken.values()) <= MAX_CONCURRENT // 2
    assert DeliveryPlaces(taken).available((2, "we_other")) >= 4


@pytest.mark.parametrize("environments", range(2, MAX_CONCURRENT - 1))
def test_place_that_becomes_free_goes_to_the_environment_without_any(environments: int) -> None:
    taken = fill(environments, 16)
    if sum(taken.values()) == MAX_CONCURRENT:
        taken[max(taken, key=lambda key: taken[key])] -= 1
    holders = {environment for (environment, _), count in taken.items() if count}
    places = DeliveryPlaces(taken)
    assert places.available((environments, "we_other")) > 0
    for environment in holders:
        assert places.available((environment, "we_other")) == 0


def test_dead_receiver_leaves_places_for_other_endpoints_of_its_environment() -> None:
    assert DeliveryPlaces({(1, "we_1"): MAX_PER_ENDPOINT}).available((1, "we_2")) > 1


def test_claims_of_one_call_are_counted() -> None:
    places = DeliveryPlaces({})
    places.take((1, "we_1"), MAX_PER_ENDPOINT)
    assert places.available((1, "we_1")) == 0
    places.take((1, "we_2"), MAX_CONCURRENT - MAX_PER_ENDPOINT)
    assert places.available((2, "we_3")) == 0
