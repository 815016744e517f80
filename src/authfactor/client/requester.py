"""Performs a call: adds credentials and an Idempotency-Key, retries, and decodes the response.

It retries like the official SDKs: lost connections and 408, 429, 500, 502, 503 and 504, three times, after
the seconds of `Retry-After`, or else after 0.5 s, doubled each time up to 8 s, with random jitter.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from authfactor.client.errors import AnswerUnreadableError, APIConnectionError, ClientError, error_of
from authfactor.client.http_transport import ClientIdentity, HttpResponse, Transport
from authfactor.client.operations import ApiCall

T = TypeVar("T")
RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
MIN_WAIT_SECONDS: Final = 0.5
MAX_WAIT_SECONDS: Final = 8.0
MAX_RETRY_AFTER_SECONDS: Final = 60.0
"""If `Retry-After` is longer, raise the error at once instead of waiting."""


class LazyCredentials:
    """The base URL and the client id of a client, once its transport has returned them."""

    def __init__(self) -> None:
        """Start without an identity."""
        self.identity: ClientIdentity | None = None

    @property
    def base_url(self) -> str:
        """Base URL of the server, without a slash at the end. Raises `ValueError` before `open`."""
        return self._require_identity().base_url.rstrip("/")

    @property
    def client_id(self) -> str:
        """Client id of the environment. Raises `ValueError` if the client has none, and before `open`."""
        client_id = self._require_identity().client_id
        if not client_id:
            raise ValueError(
                "client_id is required: Client(..., client_id=…) or AsyncClient(..., client_id=…)"
            )
        return client_id

    def _require_identity(self) -> ClientIdentity:
        if self.identity is None:
            raise ValueError("the database is not open yet: use `async with AsyncClient(...) as client`")
        return self.identity


class Requester:
    """Performs calls over a transport."""

    def __init__(
        self,
        transport: Transport,
        *,
        max_retries: int,
        entropy: Callable[[int], bytes] = os.urandom,  # noqa: TID251 - a client has no injected entropy
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`entropy` returns random bytes, for Idempotency-Keys and jitter; `sleep` takes seconds."""
        self._transport = transport
        self._max_retries = max_retries
        self._entropy = entropy
        self._sleep = sleep
        self.credentials = LazyCredentials()

    async def open(self) -> None:
        """Get the credentials from the transport, unless done; an in-process transport opens its database."""
        if self.credentials.identity is None:
            self.credentials.identity = await self._transport.identity()

    async def perform(self, call: ApiCall[T]) -> T:
        """Send the request, with retries, and return the decoded response. Raises `ClientError`."""
        await self.open()
        target, headers, body = self._serialize(call)
        lost = False
        attempt = 0
        while True:
            failure: ClientError
            wait: float | None = None
            try:
                response = await self._transport.send(call.method, target, headers, body)
            except APIConnectionError as error:
                failure, lost = error, True
            else:
                if response.status < 300:  # noqa: PLR2004 - RFC 9110 section 15.3
                    return _decode(call, response)
                if response.status == 404 and lost and call.method == "DELETE":  # noqa: PLR2004 - the status
                    # An earlier attempt, whose response was lost, has deleted the object.
                    return call.decode(b"")
                failure, wait = _error_of_response(response)
                if response.status not in RETRIED or (wait is not None and wait > MAX_RETRY_AFTER_SECONDS):
                    raise failure
            if attempt >= self._max_retries:
                raise failure
            await self._sleep(self._backoff(attempt) if wait is None else wait)
            attempt += 1

    async def close(self) -> None:
        """Close the transport; the next call opens it again."""
        await self._transport.close()
        self.credentials.identity = None

    def _serialize(self, call: ApiCall[T]) -> tuple[str, dict[str, str], bytes]:
        """Return target, headers and body. All attempts share one Idempotency-Key: they have one effect."""
        identity = self.credentials.identity
        if identity is None:  # pragma: no cover - `perform` has opened it
            raise RuntimeError("the requester is not open")
        target = f"{call.path}?{urlencode(call.query)}" if call.query else call.path
        headers = {
            "accept": "application/json",
            "authorization": f"Bearer {identity.api_key}",
            "user-agent": "authfactor-python",
        }
        if call.method == "POST":
            headers["idempotency-key"] = str(UUID(bytes=self._entropy(16), version=4))
        if call.body is None:
            return target, headers, b""
        headers["content-type"] = "application/json"
        secrets = {"client_id": identity.client_id, "client_secret": identity.api_key}
        credentials = {name: secrets[name] for name in call.credentials}
        if "client_id" in credentials and not identity.client_id:
            raise ValueError("sign-in requires the client id: Client(..., client_id=…)")
        return target, headers, msgspec.json.encode({**call.body, **credentials})

    def _backoff(self, attempt: int) -> float:
        jitter = 0.5 + self._entropy(1)[0] / 255
        return min(MIN_WAIT_SECONDS * 2.0**attempt, MAX_WAIT_SECONDS) * jitter


def _decode(call: ApiCall[T], response: HttpResponse) -> T:
    try:
        return call.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text = f"The response to {call.method} {call.path} is not from this API: {error}"
        request_id = response.headers.get("x-request-id")
        raise AnswerUnreadableError(text, status=response.status, request_id=request_id) from error


def _error_of_response(response: HttpResponse) -> tuple[ClientError, float | None]:
    wait = _retry_after(response.headers.get("retry-after"), response.headers.get("date"))
    request_id = response.headers.get("x-request-id")
    return error_of(response.status, response.body, request_id=request_id, retry_after=wait), wait


def _retry_after(value: str | None, date: str | None) -> float | None:
    """Return `Retry-After` in seconds; a date is compared with the `Date` header (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(date or "")).total_seconds())
    except (TypeError, ValueError):
        return None
