"""IP addresses of clients: one spelling for each, and the network that counts as one client.

A socket that listens on `::` reports IPv4 clients as IPv4-mapped IPv6 addresses (`::ffff:192.0.2.1`, RFC 4291
section 2.5.5.2). They are IPv4 addresses everywhere here: otherwise all of IPv4 would be one /64, and a
trusted proxy's address would not match.
"""

import ipaddress
from typing import Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
# A home network is assigned a /64, so one client is one such network.
IPV6_CLIENT_BITS: Final = 64
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")


def parse(text: str) -> IPAddress | None:
    """Parse an address without its zone; an IPv4-mapped one becomes IPv4. None if it is not an address."""
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def parse_network(text: str) -> IPNetwork:
    """Parse an address or network; one of IPv4-mapped addresses becomes IPv4. Raises `ValueError`."""
    network = ipaddress.ip_network(text.strip())
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        return ipaddress.IPv4Network((int(mapped or 0), network.prefixlen - _MAPPED.prefixlen))
    return network


def client_network(text: str | None) -> str | None:
    """Return what one client usually has: an IPv4 address, or the /64 of an IPv6 address.

    None if the text is not an address.
    """
    address = parse(text or "")
    if address is None or isinstance(address, ipaddress.IPv4Address):
        return None if address is None else str(address)
    network = ipaddress.IPv6Network((int(address), IPV6_CLIENT_BITS), strict=False)
    return str(network.network_address)
