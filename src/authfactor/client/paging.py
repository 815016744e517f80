"""Pages of a list, and iteration over all of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from authfactor.client.types import ListMetadata, ListResponse

T = TypeVar("T")


class _Page(Generic[T]):
    """The properties of both kinds of page."""

    def __init__(self, listed: ListResponse[T]) -> None:
        """`listed` is the response for this page."""
        self._listed = listed

    @property
    def data(self) -> tuple[T, ...]:
        """The items of this page."""
        return self._listed.data

    @property
    def list_metadata(self) -> ListMetadata:
        """The cursors to the previous and the next page."""
        return self._listed.list_metadata

    def __repr__(self) -> str:
        """Show the number of items and whether there is a next page."""
        more = ", more pages" if self.list_metadata.after else ""
        return f"{type(self).__name__}({len(self.data)} items{more})"


class Page(_Page[T]):
    """One page of a list. Iterating over it also fetches the pages after it."""

    def __init__(self, listed: ListResponse[T], next_page: Callable[[str], ListResponse[T]]) -> None:
        """`next_page` fetches the page after a cursor."""
        super().__init__(listed)
        self._next_page = next_page

    def auto_paging_iter(self) -> Iterator[T]:
        """Iterate over the items of this page and all pages after it, each fetched when it is reached."""
        listed = self._listed
        yield from listed.data
        while listed.list_metadata.after:
            listed = self._next_page(listed.list_metadata.after)
            yield from listed.data

    __iter__ = auto_paging_iter


class AsyncPage(_Page[T]):
    """One page of a list. Iterating over it with `async for` also fetches the pages after it."""

    def __init__(
        self, listed: ListResponse[T], next_page: Callable[[str], Awaitable[ListResponse[T]]]
    ) -> None:
        """`next_page` fetches the page after a cursor."""
        super().__init__(listed)
        self._next_page = next_page

    async def auto_paging_iter(self) -> AsyncIterator[T]:
        """Iterate over the items of this page and all pages after it, each fetched when it is reached."""
        listed = self._listed
        for item in listed.data:
            yield item
        while listed.list_metadata.after:
            listed = await self._next_page(listed.list_metadata.after)
            for item in listed.data:
                yield item

    __aiter__ = auto_paging_iter
