"""Send a webhook to exactly the IP address that was checked, within a time limit.

Redirects are not followed and proxy variables of the environment are ignored: both would lead to an address
that has not been checked.
"""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

from authfactor.models import DeliveryOutcome
from authfactor.outbound import ssrf_guard
from authfactor.outbound.ssrf_guard import Address, CheckedUrl, ForbiddenUrl

MAX_RESPONSE_BYTES: Final = 64 * 1024
MAX_ADDRESSES: Final = 4
_REDIRECTS: Final = range(300, 400)

Resolver = Callable[[str, int], Awaitable[list[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host from the system's resolver. Raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class WebhookSender:
    """Posts to URLs configured by customers. Every failure is a `DeliveryOutcome`, never an exception."""

    def __init__(self, *, timeout: float, private: bool, resolver: Resolver = resolve) -> None:
        """`timeout` limits a whole delivery, in seconds; `private` allows http and internal addresses."""
        self._timeout_seconds = timeout
        self._private = private
        self._resolve = resolver
        # No keep-alive: a connection opened for one host must not serve another host at the same address.
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            # Reads the operator's CAs from SSL_CERT_FILE, which `trust_env=False` alone would ignore.
            verify=httpx.create_ssl_context(),
            timeout=httpx.Timeout(timeout),
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> DeliveryOutcome:
        """Send one POST request and return its outcome."""
        status: int | None = None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                target = ssrf_guard.admit(url, private=self._private)
                addresses = await self._resolve_checked(target)
                async with contextlib.aclosing(
                    await self._connect_and_send(target, addresses, headers, body)
                ) as response:
                    status = response.status_code
                    await _drain(response)
        except TimeoutError:
            error = f"no response within {self._timeout_seconds:g} s"
        except ForbiddenUrl as refusal:
            error = f"the URL {refusal}"
        except (OSError, UnicodeError, httpx.HTTPError) as failure:
            error = _describe_failure(failure)
        else:
            return outcome_of_status(status)
        # Once the status has arrived, a failure to read the body changes nothing.
        return DeliveryOutcome(None, error) if status is None else outcome_of_status(status)

    async def close(self) -> None:
        """Close the HTTP client."""
        await self._client.aclose()

    async def _resolve_checked(self, target: CheckedUrl) -> list[Address]:
        """Resolve the host. Raises `ForbiddenUrl` unless every address is allowed: any may be used."""
        texts = await self._resolve(target.host, target.port)
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
        if not self._private and not all(ssrf_guard.is_public(address) for address in addresses):
            raise ForbiddenUrl("leads into the server's own network")
        return addresses[:MAX_ADDRESSES]

    async def _connect_and_send(
        self, target: CheckedUrl, addresses: list[Address], headers: dict[str, str], body: bytes
    ) -> httpx.Response:
        """Send to the first address that accepts a connection. Raises `OSError` or `httpx.HTTPError`."""
        failure: Exception = OSError("the host has no address")
        for address in addresses:
            url = httpx.URL(
                scheme=target.scheme,
                host=str(address),
                port=target.port,
                raw_path=target.path.encode("ascii"),
            )
            request = self._client.build_request(
                "POST",
                url,
                headers={**headers, "host": target.authority},
                content=body,
                # Verify the certificate against the host name, although the URL has an IP address.
                extensions={"sni_hostname": target.host, "timeout": self._timeouts(len(addresses))},
            )
            try:
                return await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    def _timeouts(self, count: int) -> dict[str, float]:
        """Divide the connect timeout among the addresses, so that a dead one leaves time for the next."""
        rest = dict.fromkeys(("read", "write", "pool"), self._timeout_seconds)
        return {**rest, "connect": self._timeout_seconds / count}


def outcome_of_status(status: int | None) -> DeliveryOutcome:
    """Return the outcome of an HTTP status: any 2xx is success."""
    if status is None:
        return DeliveryOutcome(None, "no response")
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110 section 15.3
        return DeliveryOutcome(status, None)
    hint = ", and redirects are not followed" if status in _REDIRECTS else ""
    return DeliveryOutcome(status, f"the receiver responded with {status}{hint}")


async def _drain(response: httpx.Response) -> None:
    """Read up to 64 KiB of the body, undecoded, so that an ordinary receiver can finish sending."""
    size = 0
    async for piece in response.aiter_raw():
        size += len(piece)
        if size >= MAX_RESPONSE_BYTES:
            return


def _describe_failure(failure: Exception) -> str:
    """Describe a failure without any part of the request."""
    if isinstance(failure, httpx.TimeoutException):
        return "the receiver did not respond in time"
    if isinstance(failure, socket.gaierror):
        return "the host name cannot be resolved"
    if isinstance(failure, httpx.ConnectError) and "CERTIFICATE" in str(failure).upper():
        return "the receiver's certificate is not valid for this host"
    if isinstance(failure, httpx.ConnectError | OSError):
        return "the receiver cannot be reached"
    return "the receiver closed the connection or did not speak HTTP"
