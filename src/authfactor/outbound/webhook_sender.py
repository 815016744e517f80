"""Sending one webhook: to exactly the address that was checked, within a time limit, never following on.

The only module that imports httpx. Redirects are not followed and proxies of the environment are not
used: both would choose an address that nobody has checked.
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
    """Ask the system for the addresses of a host. Raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class WebhookSender:
    """Posts bodies to URLs that customers chose. Never raises: every failure is an outcome."""

    def __init__(self, *, timeout: float, private: bool, resolver: Resolver = resolve) -> None:
        """`timeout` in seconds covers everything; `private` admits http and addresses of our own network."""
        self._timeout_seconds = timeout
        self._private = private
        self._resolve = resolver
        # No connection is kept: one made for a host must not serve another host of the same address.
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            # Authorities of the operator come by SSL_CERT_FILE, as everywhere; proxies do not.
            verify=httpx.create_ssl_context(),
            timeout=httpx.Timeout(timeout),
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> DeliveryOutcome:
        """Send once."""
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
            error = f"no answer within {self._timeout_seconds:g} s"
        except ForbiddenUrl as refusal:
            error = f"the URL {refusal}"
        except (OSError, UnicodeError, httpx.HTTPError) as failure:
            error = _describe_failure(failure)
        else:
            return outcome_of_status(status)
        # Once the status line is there, what becomes of the body changes nothing.
        return DeliveryOutcome(None, error) if status is None else outcome_of_status(status)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def _resolve_checked(self, target: CheckedUrl) -> list[Address]:
        """Resolve the host; every address must pass, or a name with two could choose the other one."""
        texts = await self._resolve(target.host, target.port)
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
        if not self._private and not all(ssrf_guard.is_public(address) for address in addresses):
            raise ForbiddenUrl("leads into the server's own network")
        return addresses[:MAX_ADDRESSES]

    async def _connect_and_send(
        self, target: CheckedUrl, addresses: list[Address], headers: dict[str, str], body: bytes
    ) -> httpx.Response:
        """Connect to the first address that takes the connection, and send."""
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
                # The certificate must be the host's, though the connection goes to a bare address.
                extensions={"sni_hostname": target.host, "timeout": self._timeouts(len(addresses))},
            )
            try:
                return await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    def _timeouts(self, count: int) -> dict[str, float]:
        """Share the time among the addresses, so that a dead first one leaves some for the next."""
        rest = dict.fromkeys(("read", "write", "pool"), self._timeout_seconds)
        return {**rest, "connect": self._timeout_seconds / count}


def outcome_of_status(status: int | None) -> DeliveryOutcome:
    """Turn a status into an outcome: any 2xx is success."""
    if status is None:
        return DeliveryOutcome(None, "no answer")
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110 section 15.3
        return DeliveryOutcome(status, None)
    hint = ", and redirects are not followed" if status in _REDIRECTS else ""
    return DeliveryOutcome(status, f"the receiver answered {status}{hint}")


async def _drain(response: httpx.Response) -> None:
    """Read a little of the body, so that an ordinary receiver can finish; packed bytes stay packed."""
    size = 0
    async for piece in response.aiter_raw():
        size += len(piece)
        if size >= MAX_RESPONSE_BYTES:
            return


def _describe_failure(failure: Exception) -> str:
    """Say what went wrong in words that hold nothing of the request."""
    if isinstance(failure, httpx.TimeoutException):
        return "the receiver did not answer in time"
    if isinstance(failure, socket.gaierror):
        return "the host name cannot be resolved"
    if isinstance(failure, httpx.ConnectError) and "CERTIFICATE" in str(failure).upper():
        return "the receiver's certificate is not valid for this host"
    if isinstance(failure, httpx.ConnectError | OSError):
        return "the receiver cannot be reached"
    return "the receiver broke off or did not speak HTTP"
