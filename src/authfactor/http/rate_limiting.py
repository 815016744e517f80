"""A cheap shield: token buckets in the memory of one worker, for an API key or a client address.

It spares the server work; what protects accounts are the limits in the database. Off unless set.
"""

import ipaddress
import math
from collections import OrderedDict
from functools import lru_cache
from typing import Any, Final

from authfactor.settings import Settings, trusted_networks

# A stranger can make up any number of IPv6 addresses: the ones not seen for longest are forgotten.
MAX_BUCKETS: Final = 10_000
MAX_WAIT: Final = 5
# Home networks get 64 bits of an IPv6 address: one client is one such network.
IPV6_CLIENT_BITS: Final = 64
FORWARDED: Final = b"x-forwarded-for"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Buckets:
    """One bucket of tokens for each name; a request takes one token, `rate` tokens flow back each second."""

    def __init__(self, rate: int, burst: int, most: int = MAX_BUCKETS) -> None:
        """Let `rate` requests a second through on average and `burst` at once."""
        self._rate = rate
        self._burst = float(burst)
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, now: float) -> int:
        """Take a token; `now` in seconds of a clock that never goes back.

        Returns 0, or the whole seconds (at most five) after which to try again.
        """
        tokens, at = self._buckets.get(name, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        allowed = tokens >= 1
        self._buckets[name] = (tokens - 1 if allowed else tokens, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0 if allowed else min(MAX_WAIT, math.ceil((1 - tokens) / self._rate))


def buckets(rate: int, burst: int) -> Buckets | None:
    """Make the buckets of a limit, or None where there is no limit."""
    return Buckets(rate, burst) if rate else None


class Addresses:
    """Tells the client's address, believing those proxies only that the settings name."""

    def __init__(self, settings: Settings) -> None:
        """Read the list once."""
        networks = trusted_networks(settings.trusted_proxies)
        self._any = bool(networks)
        self._trusted = lru_cache(maxsize=256)(lambda text: _within(text, networks))

    def of(self, scope: Any) -> str:  # noqa: ANN401 - an ASGI scope
        """Return the address of whoever sent the request: the nearest one that no trusted proxy has."""
        client = scope["client"]
        address: str = client[0] if client else ""
        if not self._any or not self._trusted(address):
            return address
        hops = b",".join(value for name, value in scope["headers"] if name == FORWARDED).split(b",")
        for hop in reversed(hops):
            found = _plain(hop.decode("latin-1"))
            if found is None:
                break
            address = found
            if not self._trusted(found):
                break
        return address


def client_of(address: str) -> str:
    """Return what one client has in common: its IPv4 address, or the network of its IPv6 address."""
    if ":" not in address:
        return address
    network = ipaddress.ip_network((address.partition("%")[0], IPV6_CLIENT_BITS), strict=False)
    return str(network.network_address)


def _plain(hop: str) -> str | None:
    """Read one hop, with or without port; None when it is no address."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _within(text: str, networks: tuple[Network, ...]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks)
