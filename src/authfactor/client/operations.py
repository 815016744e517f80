"""API calls as values, and the decorators that turn them into methods of both clients.

A group of methods (`user_management`, `mfa`, …) is written once: each method returns an `ApiCall`. Bound to a
`Client`, it performs the call and returns the result; bound to an `AsyncClient`, it returns an awaitable.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload
from urllib.parse import quote

import msgspec

from authfactor.client.paging import AsyncPage, Page
from authfactor.client.types import ListResponse

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ApiCall(Generic[T]):
    """A request, and the function that decodes its response.

    `credentials` names the credentials to add to the body: `client_id`, `client_secret`.
    """

    method: str
    path: str
    decode: Callable[[bytes], T]
    body: Mapping[str, object] | None = None
    query: Mapping[str, str] | None = None
    credentials: tuple[str, ...] = ()


class ClientCredentials(Protocol):
    """The base URL and the client id of a client."""

    @property
    def base_url(self) -> str:
        """Base URL of the server, without a slash at the end."""

    @property
    def client_id(self) -> str:
        """Client id of the environment. Raises `ValueError` if the client has none."""


class Performs(Protocol):
    """Performs calls, blocking."""

    @property
    def credentials(self) -> ClientCredentials:
        """The base URL and the client id."""

    def perform(self, call: ApiCall[T]) -> T:
        """Send the request and return the decoded response. Raises `ClientError`."""


class PerformsAsync(Protocol):
    """Performs calls on an event loop."""

    @property
    def credentials(self) -> ClientCredentials:
        """The base URL and the client id."""

    async def perform(self, call: ApiCall[T]) -> T:
        """Send the request and return the decoded response. Raises `ClientError`."""


class Group:
    """Base class of the groups of methods."""

    @property
    def _credentials(self) -> ClientCredentials:
        raise NotImplementedError


class SyncGroup(Group):
    """A group of methods of a `Client`."""

    def __init__(self, performer: Performs) -> None:
        """`performer` performs the calls."""
        self._performer = performer

    @property
    def _credentials(self) -> ClientCredentials:
        return self._performer.credentials


class AsyncGroup(Group):
    """A group of methods of an `AsyncClient`."""

    def __init__(self, performer: PerformsAsync) -> None:
        """`performer` performs the calls."""
        self._performer = performer

    @property
    def _credentials(self) -> ClientCredentials:
        return self._performer.credentials


class operation(Generic[P, T]):  # noqa: N801 - a decorator
    """Decorator for a method that makes one call."""

    def __init__(self, make: Callable[Concatenate[Any, P], ApiCall[T]]) -> None:
        """`make` returns the call."""
        self._make = make
        update_wrapper(self, make)  # type: ignore[arg-type]  # callable once bound

    @overload
    def __get__(self, group: None, owner: type) -> Self: ...
    @overload
    def __get__(self, group: SyncGroup, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, group: AsyncGroup, owner: type) -> Callable[P, Awaitable[T]]: ...

    def __get__(self, group: SyncGroup | AsyncGroup | None, owner: type) -> object:
        """Bind to a group: the method of a `SyncGroup` blocks, that of an `AsyncGroup` is awaitable."""
        if group is None:
            return self
        make, performer = self._make, group._performer  # noqa: SLF001 - a class of this module

        def method(*args: P.args, **kwargs: P.kwargs) -> object:
            return performer.perform(make(group, *args, **kwargs))

        return update_wrapper(method, make)


class listing(Generic[P, T]):  # noqa: N801 - a decorator
    """Decorator for a method that returns a page of a list, with one call per page."""

    def __init__(self, make: Callable[Concatenate[Any, P], ApiCall[ListResponse[T]]]) -> None:
        """`make` returns the call for the first page."""
        self._make = make
        update_wrapper(self, make)  # type: ignore[arg-type]  # callable once bound

    @overload
    def __get__(self, group: None, owner: type) -> Self: ...
    @overload
    def __get__(self, group: SyncGroup, owner: type) -> Callable[P, Page[T]]: ...
    @overload
    def __get__(self, group: AsyncGroup, owner: type) -> Callable[P, Awaitable[AsyncPage[T]]]: ...

    def __get__(self, group: SyncGroup | AsyncGroup | None, owner: type) -> object:
        """Bind to a group: the method of a `SyncGroup` blocks, that of an `AsyncGroup` is awaitable."""
        if group is None:
            return self
        make = self._make
        if isinstance(group, SyncGroup):
            performer = group._performer  # noqa: SLF001 - a class of this module

            def method(*args: P.args, **kwargs: P.kwargs) -> Page[T]:
                call = make(group, *args, **kwargs)
                return Page(
                    performer.perform(call), lambda after: performer.perform(next_page_call(call, after))
                )

            return update_wrapper(method, make)
        async_performer = group._performer  # noqa: SLF001 - a class of this module

        async def coroutine(*args: P.args, **kwargs: P.kwargs) -> AsyncPage[T]:
            call = make(group, *args, **kwargs)
            first = await async_performer.perform(call)
            return AsyncPage(first, lambda after: async_performer.perform(next_page_call(call, after)))

        return update_wrapper(coroutine, make)


def next_page_call(call: ApiCall[T], after: str) -> ApiCall[T]:
    """Return the call for the page after this cursor."""
    query = {name: value for name, value in (call.query or {}).items() if name not in {"before", "after"}}
    return ApiCall(call.method, call.path, call.decode, query={**query, "after": after})


def path(template: str, *ids: str) -> str:
    """Insert percent-encoded ids into a path. Raises `ValueError` for an empty id, which changes the path."""
    if not all(ids):
        raise ValueError(f"an id is empty: {template.format(*ids)}")
    return template.format(*(quote(text, safe="") for text in ids))


def decoder(shape: type[T]) -> Callable[[bytes], T]:
    """Return the cached function that decodes JSON to this type."""
    decode = _DECODERS.get(shape)
    if decode is None:
        decode = _DECODERS[shape] = msgspec.json.Decoder(shape).decode
    return decode


_DECODERS: dict[Any, Callable[[bytes], Any]] = {}


def decode_nothing(_body: bytes) -> None:
    """Ignore the body of a response."""


def drop_none(**fields: object) -> dict[str, object]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def query(**fields: str | int | None) -> dict[str, str]:
    """Return the query parameters that are not None, as strings."""
    return {name: str(value) for name, value in fields.items() if value is not None}
