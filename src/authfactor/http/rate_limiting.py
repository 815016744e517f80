"""Rate limits per API key and per client address: token buckets in the memory of one worker.

They protect the server from load; accounts are protected by the limits in the database. Off by default.
"""

import math
from collections import OrderedDict
from functools import lru_cache
from typing import Any, Final

from authfactor import ip_addresses
from authfactor.ip_addresses import IPNetwork
from authfactor.settings import Settings, trusted_networks

# A client can use any number of IPv6 addresses, so the least recently used buckets are dropped.
MAX_BUCKETS: Final = 10_000
MAX_WAIT: Final = 5
# Hops in X-Forwarded-For that are looked at, from the nearest: a client can send any number.
MAX_HOPS: Final = 20
FORWARDED_FOR: Final = b"x-forwarded-for"


class TokenBuckets:
    """A token bucket for each name: a request takes one token, and `rate` tokens per second are added."""

    def __init__(self, rate: int, burst: int, max_buckets: int = MAX_BUCKETS) -> None:
        """Allow `rate` requests a second on average and bursts of `burst` requests."""
        self._rate = rate
        self._burst = float(burst)
        self._max_buckets = max_buckets
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, now: float) -> int:
        """Take a token; `now` is in seconds of a monotonic clock.

        Returns 0 if there was one, else the whole seconds, at most `MAX_WAIT`, to wait before a retry.
        """
        tokens, updated_at = self._buckets.get(name, (self._burst, now))
        tokens = min(self._burst, tokens + (now - updated_at) * self._rate)
        allowed = tokens >= 1
        self._buckets[name] = (tokens - 1 if allowed else tokens, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._max_buckets:
            self._buckets.popitem(last=False)
        return 0 if allowed else min(MAX_WAIT, math.ceil((1 - tokens) / self._rate))


def make_buckets(rate: int, burst: int) -> TokenBuckets | None:
    """Make the buckets of a limit; None if `rate` is 0, which means no limit."""
    return TokenBuckets(rate, burst) if rate else None


class ClientAddresses:
    """Determines client addresses, trusting `X-Forwarded-For` only from the proxies in the settings."""

    def __init__(self, settings: Settings) -> None:
        """Parse the `trusted_proxies` setting."""
        networks = trusted_networks(settings.trusted_proxies)
        self._has_proxies = bool(networks)
        self._is_trusted = lru_cache(maxsize=256)(lambda text: _in_networks(text, networks))

    def of(self, scope: Any) -> str:  # noqa: ANN401 - an ASGI scope
        """Return the client's address: the nearest hop that is not a trusted proxy."""
        client = scope["client"]
        address = _canonical(client[0]) if client else ""
        if not self._has_proxies or not self._is_trusted(address):
            return address
        hops = b",".join(value for name, value in scope["headers"] if name == FORWARDED_FOR)
        for hop in reversed(hops.rsplit(b",", MAX_HOPS)[-MAX_HOPS:]):
            parsed = _parse_hop(hop.decode("latin-1"))
            if parsed is None:
                break
            address = parsed
            if not self._is_trusted(parsed):
                break
        return address


def client_network(address: str) -> str:
    """Return the name of a client's bucket: its IPv4 address, or its IPv6 /64 network."""
    if ":" not in address:
        return address
    return ip_addresses.client_network(address) or address


@lru_cache(maxsize=256)
def _canonical(peer: str) -> str:
    """Return the address that a socket reports as every other part of the server writes it."""
    parsed = ip_addresses.parse(peer)
    return peer if parsed is None else str(parsed)


def _parse_hop(hop: str) -> str | None:
    """Parse a hop, with or without a port; None if it is not an IP address."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    parsed = ip_addresses.parse(text)
    return None if parsed is None else str(parsed)


def _in_networks(text: str, networks: tuple[IPNetwork, ...]) -> bool:
    address = ip_addresses.parse(text)
    return address is not None and any(address in network for network in networks)
