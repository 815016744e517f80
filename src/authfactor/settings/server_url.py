"""This server's URL where `base_url` is not set: that of the address and the port that it really listens on.

A server writes its URL into the data directory, so that commands on the same directory print links to it even
if its port was given on its command line.
"""

import contextlib
import ipaddress
import os
import re
from dataclasses import replace
from typing import Final

from authfactor.settings import PREFIX, Settings

FILE_NAME: Final = "server-url"
# Listening on all addresses is no address that a link could name; `base_url_is_safe` is False for it.
ALL_ADDRESSES: Final = ("0.0.0.0", 0)  # noqa: S104 - compared, never bound
_URL: Final = re.compile(r"https?://[^\s/]+")


def bound_to(settings: Settings, address: object, *, by_name: bool = False) -> Settings:
    """Return the settings with the URL of a listening socket's address (`getsockname`), if it is unset.

    `by_name`: this machine is `localhost` in it, as browsers take no passkeys at an IP address.
    """
    if settings.base_url:
        return settings
    url = of_socket(settings, address)
    if by_name:
        url = url.replace("//127.0.0.1:", "//localhost:").replace("//[::1]:", "//localhost:")
    return replace(settings, base_url=url)


def of_socket(settings: Settings, address: object) -> str:
    """Return the URL of a listening socket's address; for a Unix socket, one that no browser reaches."""
    host, port = address[:2] if isinstance(address, tuple) else ALL_ADDRESSES
    return _url(settings, host, port)


def host_of(address: object) -> str:
    """Return the IP address of a listening socket's address, or the path of a Unix socket."""
    return str(address[0]) if isinstance(address, tuple) else str(address)


def on_this_machine(url: str) -> str:
    """Return a URL with all addresses (`0.0.0.0`, `::`) replaced by loopback, and without a final slash."""
    return url.rstrip("/").replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def resolved(settings: Settings) -> Settings:
    """Return the settings with the URL of the server of this data directory, if it is unset.

    That is the URL that its newest server wrote, else that of the `host` and `port` settings.
    """
    if settings.base_url:
        return settings
    written = _read(settings)
    return replace(settings, base_url=written or _url(settings, settings.host, settings.port))


def write(settings: Settings) -> None:
    """Write the server's URL into the data directory. It only helps commands, so a failure is ignored."""
    with contextlib.suppress(OSError):
        path = settings.data / FILE_NAME
        draft = path.with_name(f".{FILE_NAME}-{os.getpid()}")
        draft.write_text(f"{settings.base_url}\n", encoding="utf-8")
        draft.replace(path)


def warning(settings: Settings, host: str) -> str | None:
    """Return what to do if a server listens on `host`, which other machines reach, without a `base_url`."""
    if settings.base_url or is_loopback_host(host):
        return None
    return (
        f"{PREFIX}BASE_URL is not set, and the server listens on {host}: links to pages are refused, and the"
        " console cannot be set up from other machines. Set it to the server's https URL."
    )


def is_loopback_host(host: str) -> bool:
    """Return whether only this machine reaches a host name or IP address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _read(settings: Settings) -> str | None:
    try:
        text = (settings.data / FILE_NAME).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if _URL.fullmatch(text) else None


def _url(settings: Settings, host: str, port: int) -> str:
    shown = f"[{host.partition('%')[0]}]" if ":" in host else host
    return f"{'https' if settings.tls_cert else 'http'}://{shown}:{port}"
