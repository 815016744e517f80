"""What carries a request to the API: a network, or this process (`in_process`)."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import httpx

from authfactor.client.errors import APIConnectionError, APITimeoutError


class HttpResponse(NamedTuple):
    """An answer as it came; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Identity(NamedTuple):
    """Who asks and where."""

    base_url: str
    api_key: str
    client_id: str


class Transport(Protocol):
    """Carries requests."""

    async def identity(self) -> Identity:
        """Say who asks; opens what must be open for it."""

    async def send(self, method: str, target: str, headers: dict[str, str], body: bytes) -> HttpResponse:
        """Carry one request; `target` is path and query. Raises `APIConnectionError`."""

    async def close(self) -> None:
        """Let go of everything."""


class HttpTransport:
    """A server somewhere."""

    def __init__(self, identity: Identity, *, timeout: float, http_client: httpx.AsyncClient | None) -> None:
        """Connect at the first request; a client that was given is not closed here."""
        self._identity = identity
        self._timeout = timeout
        self._given = http_client
        self._client = http_client

    async def identity(self) -> Identity:
        """Say who asks."""
        return self._identity

    async def send(self, method: str, target: str, headers: dict[str, str], body: bytes) -> HttpResponse:
        """Send over a connection that is kept."""
        client = self._client
        if client is None:
            client = self._client = httpx.AsyncClient(timeout=self._timeout)
        try:
            answer = await client.request(
                method, self._identity.base_url + target, headers=headers, content=body
            )
        except httpx.TimeoutException as error:
            text = f"{self._identity.base_url} did not answer within {self._timeout:g} s."
            raise APITimeoutError(text) from error
        except httpx.TransportError as error:
            text = f"No answer from {self._identity.base_url}: {str(error) or type(error).__name__}."
            raise APIConnectionError(text) from error
        return HttpResponse(answer.status_code, answer.headers, answer.content)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None and self._given is None:
            await self._client.aclose()
            self._client = None
