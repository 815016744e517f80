"""How the deliveries that one process has in flight are shared between environments and their endpoints.

A receiver that never responds holds a place until the time limit, so the places of one environment must not
run out because of another's receivers. An environment may take another place only while it holds fewer than
are free: alone it takes half of all. When nearly all are taken, a place that becomes free goes to an
environment that holds none. The same rule divides what an environment may take between its endpoints
(decision 0038).
"""

from collections.abc import Mapping
from typing import Final

EndpointKey = tuple[int, str]
"""Number of the environment, id of the endpoint."""

MAX_CONCURRENT: Final = 32
MAX_PER_ENDPOINT: Final = 6


class DeliveryPlaces:
    """The places of one process, counted for one claim."""

    def __init__(self, in_flight: Mapping[EndpointKey, int]) -> None:
        """`in_flight` counts the deliveries in flight to each endpoint."""
        self._by_endpoint = dict(in_flight)
        self._by_environment: dict[int, int] = {}
        for (environment, _), count in in_flight.items():
            self._by_environment[environment] = self._by_environment.get(environment, 0) + count
        self._free = MAX_CONCURRENT - sum(in_flight.values())

    def available(self, endpoint: EndpointKey) -> int:
        """Return how many places an endpoint may take now."""
        taken = self._by_endpoint.get(endpoint, 0)
        for_environment = _share(self._free, self._by_environment.get(endpoint[0], 0))
        return min(_share(for_environment, taken), MAX_PER_ENDPOINT - taken)

    def take(self, endpoint: EndpointKey, count: int) -> None:
        """Count deliveries that were claimed."""
        self._by_endpoint[endpoint] = self._by_endpoint.get(endpoint, 0) + count
        self._by_environment[endpoint[0]] = self._by_environment.get(endpoint[0], 0) + count
        self._free -= count


def _share(free: int, taken: int) -> int:
    """Return how many places can be taken one by one, each while fewer are taken than are free."""
    return max(0, (free - taken + 1) // 2)
