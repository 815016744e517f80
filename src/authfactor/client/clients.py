"""`Client` and `AsyncClient`. `Client` runs the asynchronous implementation on a background thread."""

import importlib.util
import os
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpx

from authfactor.client.blocking_portal import BlockingPortal
from authfactor.client.events import AsyncEvents, Events
from authfactor.client.hosted_pages import AsyncHostedPages, HostedPages
from authfactor.client.http_transport import ClientIdentity, HttpTransport, Transport
from authfactor.client.messages import AsyncMessageGroup, MessageGroup
from authfactor.client.mfa import AsyncMfa, Mfa
from authfactor.client.mfa_policies import AsyncMfaPolicies, MfaPolicies
from authfactor.client.requester import Requester
from authfactor.client.user_management import AsyncUserManagement, UserManagement
from authfactor.client.webhooks import AsyncWebhooks, Webhooks

Path = str | os.PathLike[str]
TIMEOUT: Final = 30.0
MAX_RETRIES: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientConfig:
    """The arguments of a client. Raises `ValueError` if they cannot be combined."""

    base_url: str | None
    api_key: str | None
    client_id: str | None
    database_url: str | None
    data: Path | None
    keys: Path | None
    environment: str | None
    timeout: float

    def __post_init__(self) -> None:
        """Check the combination of arguments."""
        in_process = [name for name in ("database_url", "data", "keys", "environment") if getattr(self, name)]
        if self.base_url is None:
            if not in_process:
                raise ValueError(
                    "Give base_url and api_key to use a server,"
                    " or database_url or data to use a database in this process."
                )
            if self.api_key is not None or self.client_id is not None:
                raise ValueError(
                    "api_key and client_id require base_url: an in-process client needs no credentials."
                )
            return
        if in_process:
            raise ValueError(f"{' and '.join(in_process)} cannot be combined with base_url.")
        if not self.api_key:
            raise ValueError("base_url requires api_key, the API key of an environment (sk_…).")
        if not self.base_url.startswith(("http://", "https://")):
            raise ValueError("base_url must start with http:// or https://.")

    def transport(self, http_client: httpx.AsyncClient | None = None) -> Transport:
        """Make the transport. Call it on the event loop that will use the transport."""
        identity = self.identity()
        if identity is not None:
            return HttpTransport(identity, timeout=self.timeout, http_client=http_client)
        if importlib.util.find_spec("authfactor.core") is None:
            raise ValueError(
                "database_url and data need the service: install authfactor instead of authfactor-client."
            )
        from authfactor.client import in_process_transport  # noqa: PLC0415 - an HTTP client must not import the server

        return in_process_transport.InProcessTransport(
            in_process_transport.DatabaseTarget(self.database_url, self.data, self.keys, self.environment)
        )

    def identity(self) -> ClientIdentity | None:
        """Return base URL and credentials; None for an in-process client, which has none until it opens."""
        if self.base_url is None:
            return None
        return ClientIdentity(self.base_url.rstrip("/"), self.api_key or "", self.client_id or "")


class AsyncClient:
    """The asynchronous client.

    Over HTTP, with `base_url` and `api_key`, and `client_id` if it signs in users:

        async with AsyncClient(base_url="https://auth.example.org", api_key="sk_…") as client:
            made = await client.user_management.enroll_auth_factor(user_id="user_…", type="totp")

    In process, on a database and without a server, with `database_url` or `data`:
    `AsyncClient(data="/var/lib/acme")`. Other settings come from `AUTHFACTOR_…` variables, as for a server.

    Use a client on one event loop only, and close it. Every method can raise `ClientError`.
    """

    def __init__(  # noqa: PLR0913 - all optional, keyword-only
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
        """Open nothing yet; the first call does.

        Args:
            base_url: URL of the server, `http://…` or `https://…`.
            api_key: API key of the environment, `sk_…`.
            client_id: Client id of the environment.
            database_url: Database of an in-process client, `sqlite:///…` or `postgresql://…`.
            data: Directory of the database and the key ring of an in-process client.
            keys: Key ring file of an in-process client. Default: in `data`.
            environment: Name or client id of the environment; needed if the database has several.
            timeout: Seconds until an HTTP request fails with `APITimeoutError`.
            max_retries: How often a failed request is repeated.
            http_client: httpx client to use instead of a new one. It is not closed by this client.

        Raises `ValueError` if the arguments cannot be combined.
        """
        config = ClientConfig(
            base_url=base_url,
            api_key=api_key,
            client_id=client_id,
            database_url=database_url,
            data=data,
            keys=keys,
            environment=environment,
            timeout=timeout,
        )
        self._requester = Requester(config.transport(http_client), max_retries=max_retries)
        # Over HTTP, `get_logout_url` and the like work before the first request.
        self._requester.credentials.identity = config.identity()
        self.user_management = AsyncUserManagement(self._requester)
        self.mfa = AsyncMfa(self._requester)
        self.mfa_policies = AsyncMfaPolicies(self._requester)
        self.messages = AsyncMessageGroup(self._requester)
        self.events = AsyncEvents(self._requester)
        self.webhooks = AsyncWebhooks(self._requester)
        self.hosted_pages = AsyncHostedPages(self._requester)

    async def __aenter__(self) -> Self:
        await self._requester.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections and the database. The next call opens them again."""
        await self._requester.close()


class Client:
    """The blocking client. Thread-safe.

    Over HTTP, with `base_url` and `api_key`, and `client_id` if it signs in users:

        with Client(base_url="https://auth.example.org", api_key="sk_…") as client:
            made = client.user_management.enroll_auth_factor(user_id="user_…", type="totp")

    In process, on a database and without a server, with `database_url` or `data`:
    `Client(data="/var/lib/acme")`. Other settings come from `AUTHFACTOR_…` variables, as for a server.

    Every method can raise `ClientError`.
    """

    def __init__(  # noqa: PLR0913 - all optional, keyword-only
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
        """Open nothing yet; the first call does.

        Args:
            base_url: URL of the server, `http://…` or `https://…`.
            api_key: API key of the environment, `sk_…`.
            client_id: Client id of the environment.
            database_url: Database of an in-process client, `sqlite:///…` or `postgresql://…`.
            data: Directory of the database and the key ring of an in-process client.
            keys: Key ring file of an in-process client. Default: in `data`.
            environment: Name or client id of the environment; needed if the database has several.
            timeout: Seconds until an HTTP request fails with `APITimeoutError`.
            max_retries: How often a failed request is repeated.

        Raises `ValueError` if the arguments cannot be combined.
        """
        config = ClientConfig(
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
            lambda: Requester(config.transport(), max_retries=max_retries), forks=base_url is not None
        )
        self.user_management = UserManagement(self._portal)
        self.mfa = Mfa(self._portal)
        self.mfa_policies = MfaPolicies(self._portal)
        self.messages = MessageGroup(self._portal)
        self.events = Events(self._portal)
        self.webhooks = Webhooks(self._portal)
        self.hosted_pages = HostedPages(self._portal)

    def __enter__(self) -> Self:
        self._portal.ensure_started()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and the database. The next call opens them again."""
        self._portal.close()
