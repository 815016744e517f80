"""`Client` and `AsyncClient`: one implementation, which is asynchronous, and a door for blocking code."""

import os
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpx

from authfactor.client.blocking_portal import BlockingPortal
from authfactor.client.events import AsyncEvents, Events
from authfactor.client.http_transport import HttpTransport, Identity, Transport
from authfactor.client.mfa import AsyncMfa, Mfa
from authfactor.client.requester import Requester
from authfactor.client.user_management import AsyncUserManagement, UserManagement
from authfactor.client.webhooks import AsyncWebhooks, Webhooks

Path = str | os.PathLike[str]
TIMEOUT: Final = 30.0
MAX_RETRIES: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientConfig:
    """What a client was made with. Raises `ValueError` that says what does not fit together."""

    base_url: str | None
    api_key: str | None
    client_id: str | None
    database_url: str | None
    data: Path | None
    keys: Path | None
    environment: str | None
    timeout: float

    def __post_init__(self) -> None:
        """Check before anything is opened."""
        here = [name for name in ("database_url", "data", "keys", "environment") if getattr(self, name)]
        if self.base_url is None:
            if not here:
                raise ValueError(
                    "Give base_url and api_key to reach a server,"
                    " or database_url or data to work in this process."
                )
            if self.api_key is not None or self.client_id is not None:
                raise ValueError("api_key and client_id go with base_url: in this process no door is locked.")
            return
        if here:
            raise ValueError(f"{' and '.join(here)} cannot be combined with base_url.")
        if not self.api_key:
            raise ValueError("base_url needs api_key, the key of an environment (sk_…).")
        if not self.base_url.startswith(("http://", "https://")):
            raise ValueError("base_url must start with http:// or https://.")

    def transport(self, http_client: httpx.AsyncClient | None = None) -> Transport:
        """Make the transport, on the event loop that will use it."""
        identity = self.identity()
        if identity is not None:
            return HttpTransport(identity, timeout=self.timeout, http_client=http_client)
        from authfactor.client import in_process_transport  # noqa: PLC0415 - over HTTP nothing of the server is needed

        return in_process_transport.InProcessTransport(
            in_process_transport.DatabaseTarget(self.database_url, self.data, self.keys, self.environment)
        )

    def identity(self) -> Identity | None:
        """Say who asks; in this process that is known once the database is open."""
        if self.base_url is None:
            return None
        return Identity(self.base_url.rstrip("/"), self.api_key or "", self.client_id or "")


class AsyncClient:
    """The API on an event loop.

    Over HTTP (`base_url`, `api_key`; signing users in also needs `client_id`):

        async with AsyncClient(base_url="https://auth.example.org", api_key="sk_…") as client:
            made = await client.user_management.enroll_auth_factor(user_id="user_…", type="totp")

    Or in this process, on a database, without a server (`database_url` or `data`, the folder of database and
    key ring; settings come from `AUTHFACTOR_…` as they do for the server; `environment` names one of
    several): `AsyncClient(data="/var/lib/acme")`. Use it on one event loop only, and close it.
    """

    def __init__(  # noqa: PLR0913 - all optional, all by name
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        client_id: str | None = None,
        database_url: str | None = None,
        data: Path | None = None,
        keys: Path | None = None,
        environment: str | None = None,
        timeout: float = TIMEOUT,
        max_retries: int = MAX_RETRIES,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        """Open nothing yet. Raises `ValueError` when the arguments do not fit together."""
        choice = ClientConfig(
            base_url=base_url,
            api_key=api_key,
            client_id=client_id,
            database_url=database_url,
            data=data,
            keys=keys,
            environment=environment,
            timeout=timeout,
        )
        self._performing = Requester(choice.transport(http_client), max_retries=max_retries)
        # Over HTTP it is known who asks, before the first request.
        self._performing.credentials.identity = choice.identity()
        self.user_management = AsyncUserManagement(self._performing)
        self.mfa = AsyncMfa(self._performing)
        self.events = AsyncEvents(self._performing)
        self.webhooks = AsyncWebhooks(self._performing)

    async def __aenter__(self) -> Self:
        await self._performing.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of connections and database; the next call opens them again."""
        await self._performing.close()


class Client:
    """The API for blocking code; safe to share among threads.

    Over HTTP (`base_url`, `api_key`; signing users in also needs `client_id`):

        with Client(base_url="https://auth.example.org", api_key="sk_…") as client:
            made = client.user_management.enroll_auth_factor(user_id="user_…", type="totp")

    Or in this process, on a database, without a server (`database_url` or `data`, the folder of database and
    key ring; settings come from `AUTHFACTOR_…` as they do for the server; `environment` names one of
    several): `Client(data="/var/lib/acme")`.
    """

    def __init__(  # noqa: PLR0913 - all optional, all by name
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        client_id: str | None = None,
        database_url: str | None = None,
        data: Path | None = None,
        keys: Path | None = None,
        environment: str | None = None,
        timeout: float = TIMEOUT,
        max_retries: int = MAX_RETRIES,
    ) -> None:
        """Open nothing yet. Raises `ValueError` when the arguments do not fit together."""
        choice = ClientConfig(
            base_url=base_url,
            api_key=api_key,
            client_id=client_id,
            database_url=database_url,
            data=data,
            keys=keys,
            environment=environment,
            timeout=timeout,
        )
        self._portal = BlockingPortal(
            lambda: Requester(choice.transport(), max_retries=max_retries), forks=base_url is not None
        )
        self.user_management = UserManagement(self._portal)
        self.mfa = Mfa(self._portal)
        self.events = Events(self._portal)
        self.webhooks = Webhooks(self._portal)

    def __enter__(self) -> Self:
        self._portal.started()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections and database; the next call opens them again."""
        self._portal.close()
