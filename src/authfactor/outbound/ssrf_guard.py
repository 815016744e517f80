"""SSRF protection for webhooks: parse the URL, and distinguish public from internal IP addresses.

The text of a host proves nothing: `0x7f.1`, `2130706433` and a name that resolves to 10.0.0.1 all reach the
internal network. So a URL is parsed once, and the check is made on the IP address that is connected to.
"""

import ipaddress
import re
import socket
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

MAX_URL: Final = 2048
_PORTS: Final = {"https": 443, "http": 80}
_HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_PATH_SAFE: Final = "/%:@!$&'()*+,;=~?"
_LOCAL_NAMES: Final = (".localhost", ".localdomain")
# IPv6 addresses that embed an IPv4 address, to which a gateway would forward the packet (RFC 6052).
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ForbiddenUrl(ValueError):
    """The URL cannot be used for a webhook; the message is the end of a sentence."""


class CheckedUrl(NamedTuple):
    """A parsed URL: `host` is ASCII without brackets, `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str) -> CheckedUrl:
    """Parse a URL. Raises `ForbiddenUrl`."""
    if len(url) > MAX_URL:
        raise ForbiddenUrl(f"is longer than {MAX_URL} characters")
    if any(character <= " " or character == "\x7f" for character in url) or "\\" in url:
        raise ForbiddenUrl("holds a space, a control character or a backslash")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenUrl("is not a URL") from error
    if parts.scheme not in _PORTS:
        raise ForbiddenUrl("must start with https://")
    if "@" in parts.netloc:
        raise ForbiddenUrl("must not hold a user name or password")
    if port is not None and port < 1:
        raise ForbiddenUrl("has a port that does not exist")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return CheckedUrl(
        parts.scheme, _host(parts.hostname or ""), port or _PORTS[parts.scheme], quote(path, safe=_PATH_SAFE)
    )


def admit(url: str, *, private: bool) -> CheckedUrl:
    """Parse a URL and check what can be checked without DNS. Raises `ForbiddenUrl`.

    `private` allows http and internal addresses.
    """
    target = parse(url)
    if private:
        return target
    if target.scheme != "https":
        raise ForbiddenUrl("must start with https://")
    name = target.host.rstrip(".")
    address = literal(target.host)
    if f".{name}".endswith(_LOCAL_NAMES) or (address is not None and not is_public(address)):
        raise ForbiddenUrl("must not lead into the server's own network")
    return target


def admit_host(host: str, *, private: bool) -> str:
    """Return the host of a server for mail as it is resolved. Raises `ForbiddenUrl`, as `admit`."""
    if set(host) & set("/?#@[]"):
        raise ForbiddenUrl("has no valid host name")
    return admit(f"https://[{host}]" if ":" in host else f"https://{host}", private=private).host


def is_loopback_host(host: str) -> bool:
    """Return whether an admitted host is this machine, by its name or address."""
    address = literal(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def literal(host: str) -> Address | None:
    """Parse a host that is an IP address in any notation the system's resolver accepts; None for a name."""
    if ":" in host:
        return ipaddress.IPv6Address(host)
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None


def is_public(address: Address) -> bool:
    """Return whether an address, or the IPv4 address embedded in it, is globally routable unicast."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(inner)
    return address in _GLOBAL_UNICAST and address.is_global and not address.is_multicast


def _host(host: str) -> str:
    try:
        # No zone ids (`fe80::1%eth0`), which name an interface of this machine.
        if ":" in host and "%" not in host:
            return str(ipaddress.IPv6Address(host))
        name = host.encode("idna").decode("ascii").lower()
    except ValueError as error:
        raise ForbiddenUrl("has no valid host name") from error
    if not _HOST.fullmatch(name):
        raise ForbiddenUrl("has no valid host name")
    return name
