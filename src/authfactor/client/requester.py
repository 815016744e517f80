"""Performing a call: credentials, one Idempotency-Key, retries, reading the answer. Asynchronous, once.

The retries are those of the official SDKs: 408, 429, 500, 502, 503, 504 and lost connections, three times,
after the seconds of `Retry-After` or else 0.5 s doubled each time, up to 8 s and spread at random.
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
from authfactor.client.http_transport import HttpResponse, Identity, Transport
from authfactor.client.operations import ApiCall

T = TypeVar("T")
RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
MIN_WAIT: Final = 0.5
MAX_WAIT: Final = 8.0
MAX_RETRY_AFTER: Final = 60.0
"""Seconds that a `Retry-After` is honoured for; a server that asks for more gets its error passed on."""


class LazyCredentials:
    """Who asks, as soon as it is known."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.identity: Identity | None = None

    @property
    def base_url(self) -> str:
        """Where browsers and token verifiers find the server."""
        return self._known().base_url.rstrip("/")

    @property
    def client_id(self) -> str:
        """The environment's client id. Raises `ValueError` when it was not given."""
        found = self._known().client_id
        if not found:
            raise ValueError("client_id is needed: AsyncClient(..., client_id=…) or Client(..., client_id=…)")
        return found

    def _known(self) -> Identity:
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
        entropy: Callable[[int], bytes] = os.urandom,  # noqa: TID251 - a client has no core to ask
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`entropy` makes Idempotency-Keys and spreads the waits."""
        self._transport = transport
        self._max_retries = max_retries
        self._entropy = entropy
        self._sleep = sleep
        self.credentials = LazyCredentials()

    async def open(self) -> None:
        """Know who asks; in this process that opens the database. Again changes nothing."""
        if self.credentials.identity is None:
            self.credentials.identity = await self._transport.identity()

    async def perform(self, call: ApiCall[T]) -> T:
        """Send, as often as it takes, and return what was read. Raises `ClientError`."""
        await self.open()
        target, headers, body = self._written(call)
        lost = False
        attempt = 0
        while True:
            failure: ClientError
            wait: float | None = None
            try:
                answer = await self._transport.send(call.method, target, headers, body)
            except APIConnectionError as error:
                failure, lost = error, True
            else:
                if answer.status < 300:  # noqa: PLR2004 - RFC 9110 section 15.3
                    return _read(call, answer)
                if answer.status == 404 and lost and call.method == "DELETE":  # noqa: PLR2004 - the status
                    # The answer that was lost was a success: what should be gone is gone.
                    return call.read(b"")
                failure, wait = _refusal(answer)
                if answer.status not in RETRIED or (wait is not None and wait > MAX_RETRY_AFTER):
                    raise failure
            if attempt >= self._max_retries:
                raise failure
            await self._sleep(self._pause(attempt) if wait is None else wait)
            attempt += 1

    async def close(self) -> None:
        """Let go of the transport."""
        await self._transport.close()
        self.credentials.identity = None

    def _written(self, call: ApiCall[T]) -> tuple[str, dict[str, str], bytes]:
        """Write target, headers and body; one key for all attempts, so that they have one effect."""
        identity = self.credentials.identity
        if identity is None:  # pragma: no cover - `perform` has opened it
            raise RuntimeError("not open")
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
        own = {"client_id": identity.client_id, "client_secret": identity.api_key}
        signed = {name: own[name] for name in call.credentials}
        if "client_id" in signed and not identity.client_id:
            raise ValueError("signing in needs the client id: Client(..., client_id=…)")
        return target, headers, msgspec.json.encode({**call.body, **signed})

    def _pause(self, attempt: int) -> float:
        spread = 0.5 + self._entropy(1)[0] / 255
        return min(MIN_WAIT * 2.0**attempt, MAX_WAIT) * spread


def _read(call: ApiCall[T], answer: HttpResponse) -> T:
    try:
        return call.read(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text = f"The answer to {call.method} {call.path} is none of this API's: {error}"
        known = answer.headers.get("x-request-id")
        raise AnswerUnreadableError(text, status=answer.status, request_id=known) from error


def _refusal(answer: HttpResponse) -> tuple[ClientError, float | None]:
    wait = _asked_wait(answer.headers.get("retry-after"), answer.headers.get("date"))
    known = answer.headers.get("x-request-id")
    return error_of(answer.status, answer.body, request_id=known, retry_after=wait), wait


def _asked_wait(value: str | None, date: str | None) -> float | None:
    """Read `Retry-After`: seconds, or a date, which is compared with the server's own (RFC 9110 10.2.3)."""
    if value is None:
        return None
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(date or "")).total_seconds())
    except (TypeError, ValueError):
        return None
