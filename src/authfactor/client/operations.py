"""One call of the API, described without any input or output, and the methods that make calls.

A group of methods (`user_management`, `mfa`, …) is written once: each method returns a `Call`. Bound to a
`Client` it performs the call and returns the answer; bound to an `AsyncClient` it returns an awaitable.
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
    """What is sent and how the answer is read. `credentials` adds client id and secret to the body."""

    method: str
    path: str
    read: Callable[[bytes], T]
    body: Mapping[str, object] | None = None
    query: Mapping[str, str] | None = None
    credentials: tuple[str, ...] = ()


class ClientCredentials(Protocol):
    """Who asks, as far as it is known."""

    @property
    def base_url(self) -> str:
        """Where browsers and token verifiers find the server."""

    @property
    def client_id(self) -> str:
        """Raises `ValueError` when the client was made without one."""


class Performs(Protocol):
    """Performs calls and waits for the answer."""

    @property
    def credentials(self) -> ClientCredentials:
        """Who asks."""

    def perform(self, call: ApiCall[T]) -> T:
        """Send and return what was read. Raises `ClientError`."""


class PerformsAsync(Protocol):
    """Performs calls on an event loop."""

    @property
    def credentials(self) -> ClientCredentials:
        """Who asks."""

    async def perform(self, call: ApiCall[T]) -> T:
        """Send and return what was read. Raises `ClientError`."""


class Group:
    """Methods that belong together, bound to a client."""

    @property
    def _credentials(self) -> ClientCredentials:
        raise NotImplementedError


class SyncGroup(Group):
    """A group of methods of a `Client`."""

    def __init__(self, performer: Performs) -> None:
        """Perform calls there."""
        self._performer = performer

    @property
    def _credentials(self) -> ClientCredentials:
        return self._performer.credentials


class AsyncGroup(Group):
    """A group of methods of an `AsyncClient`."""

    def __init__(self, performer: PerformsAsync) -> None:
        """Perform calls there."""
        self._performer = performer

    @property
    def _credentials(self) -> ClientCredentials:
        return self._performer.credentials


class operation(Generic[P, T]):  # noqa: N801 - a decorator
    """A method that makes one call."""

    def __init__(self, make: Callable[Concatenate[Any, P], ApiCall[T]]) -> None:
        """Take the function that describes the call."""
        self._make = make
        update_wrapper(self, make)  # type: ignore[arg-type]  # it is callable once bound

    @overload
    def __get__(self, group: None, owner: type) -> Self: ...
    @overload
    def __get__(self, group: SyncGroup, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, group: AsyncGroup, owner: type) -> Callable[P, Awaitable[T]]: ...

    def __get__(self, group: SyncGroup | AsyncGroup | None, owner: type) -> object:
        """Bind to a group: there, calling performs."""
        if group is None:
            return self
        make, performer = self._make, group._performer  # noqa: SLF001 - the other half of this module

        def method(*args: P.args, **kwargs: P.kwargs) -> object:
            return performer.perform(make(group, *args, **kwargs))

        return update_wrapper(method, make)


class listing(Generic[P, T]):  # noqa: N801 - a decorator
    """A method that lists: one call for each page."""

    def __init__(self, make: Callable[Concatenate[Any, P], ApiCall[ListResponse[T]]]) -> None:
        """Take the function that describes the call for the first page."""
        self._make = make
        update_wrapper(self, make)  # type: ignore[arg-type]  # it is callable once bound

    @overload
    def __get__(self, group: None, owner: type) -> Self: ...
    @overload
    def __get__(self, group: SyncGroup, owner: type) -> Callable[P, Page[T]]: ...
    @overload
    def __get__(self, group: AsyncGroup, owner: type) -> Callable[P, Awaitable[AsyncPage[T]]]: ...

    def __get__(self, group: SyncGroup | AsyncGroup | None, owner: type) -> object:
        """Bind to a group: there, calling performs."""
        if group is None:
            return self
        make = self._make
        if isinstance(group, SyncGroup):
            blocking = group._performer  # noqa: SLF001 - the other half of this module

            def method(*args: P.args, **kwargs: P.kwargs) -> Page[T]:
                call = make(group, *args, **kwargs)
                return Page(blocking.perform(call), lambda after: blocking.perform(further(call, after)))

            return update_wrapper(method, make)
        waiting = group._performer  # noqa: SLF001 - the other half of this module

        async def coroutine(*args: P.args, **kwargs: P.kwargs) -> AsyncPage[T]:
            call = make(group, *args, **kwargs)
            return AsyncPage(await waiting.perform(call), lambda after: waiting.perform(further(call, after)))

        return update_wrapper(coroutine, make)


def further(call: ApiCall[T], after: str) -> ApiCall[T]:
    """Describe the call for the page after this cursor."""
    query = {name: value for name, value in (call.query or {}).items() if name not in {"before", "after"}}
    return ApiCall(call.method, call.path, call.read, query={**query, "after": after})


def path(template: str, *ids: str) -> str:
    """Put ids into a path, percent-encoded. Raises `ValueError` for an empty one: it names another path."""
    if not all(ids):
        raise ValueError(f"an id is empty: {template.format(*ids)}")
    return template.format(*(quote(text, safe="") for text in ids))


def reader(shape: type[T]) -> Callable[[bytes], T]:
    """Make the function that reads an answer of this type; made once for each type."""
    found = _READERS.get(shape)
    if found is None:
        found = _READERS[shape] = msgspec.json.Decoder(shape).decode
    return found


_READERS: dict[Any, Callable[[bytes], Any]] = {}


def nothing(_body: bytes) -> None:
    """Read an answer that says nothing."""


def given(**fields: object) -> dict[str, object]:
    """Leave out what was not given (None)."""
    return {name: value for name, value in fields.items() if value is not None}


def query(**fields: str | int | None) -> dict[str, str]:
    """Write a query, without what was not given (None)."""
    return {name: str(value) for name, value in fields.items() if value is not None}
