"""The transport interface and its HTTP implementation; see also `in_process_transport`."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import httpx

from authfactor.client.errors import APIConnectionError, APITimeoutError


class HttpResponse(NamedTuple):
    """A response. The keys of `headers` are lowercase."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ClientIdentity(NamedTuple):
    """Base URL and credentials of a client."""

    base_url: str
    api_key: str
    client_id: str


class Transport(Protocol):
    """Sends requests to the API."""

    async def identity(self) -> ClientIdentity:
        """Return base URL and credentials. An in-process transport opens the database for it."""

    async def send(self, method: str, target: str, headers: dict[str, str], body: bytes) -> HttpResponse:
        """Send a request; `target` is path and query. Raises `APIConnectionError`."""

    async def close(self) -> None:
        """Close connections and database."""


class HttpTransport:
    """Sends requests to a server over HTTP."""

    def __init__(
        self, identity: ClientIdentity, *, timeout: float, http_client: httpx.AsyncClient | None
    ) -> None:
        """`timeout` is in seconds. `http_client` replaces a new client, and `close` does not close it."""
        self._identity = identity
        self._timeout = timeout
        self._owns_client = http_client is None
        self._client = http_client

    async def identity(self) -> ClientIdentity:
        """Return base URL and credentials."""
        return self._identity

    async def send(self, method: str, target: str, headers: dict[str, str], body: bytes) -> HttpResponse:
        """Send a request over a pooled connection."""
        client = self._client
        if client is None:
            client = self._client = httpx.AsyncClient(timeout=self._timeout)
        try:
            response = await client.request(
                method, self._identity.base_url + target, headers=headers, content=body
            )
        except httpx.TimeoutException as error:
            text = f"{self._identity.base_url} did not respond within {self._timeout:g} s."
            raise APITimeoutError(text) from error
        except httpx.TransportError as error:
            text = f"No response from {self._identity.base_url}: {str(error) or type(error).__name__}."
            raise APIConnectionError(text) from error
        return HttpResponse(response.status_code, response.headers, response.content)

    async def close(self) -> None:
        """Close the connections, unless the HTTP client belongs to the caller."""
        if self._client is not None and self._owns_client:
            await self._client.aclose()
            self._client = None
