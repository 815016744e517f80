"""Pages of a list, and walking over all of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from authfactor.client.types import ListMetadata, ListResponse

T = TypeVar("T")


class _Page(Generic[T]):
    """What both kinds of page show."""

    def __init__(self, listed: ListResponse[T]) -> None:
        """Show what was listed."""
        self._listed = listed

    @property
    def data(self) -> tuple[T, ...]:
        """What is on this page."""
        return self._listed.data

    @property
    def list_metadata(self) -> ListMetadata:
        """The cursors to the neighbouring pages."""
        return self._listed.list_metadata

    def __repr__(self) -> str:
        """Say how much is here and whether there is more."""
        more = ", more to come" if self.list_metadata.after else ""
        return f"{type(self).__name__}({len(self.data)} items{more})"


class Page(_Page[T]):
    """One page of a list; a `for` loop over it walks on through the pages after it."""

    def __init__(self, listed: ListResponse[T], next_page: Callable[[str], ListResponse[T]]) -> None:
        """Fetch further pages with `next_page`."""
        super().__init__(listed)
        self._next_page = next_page

    def auto_paging_iter(self) -> Iterator[T]:
        """Walk over this page and all after it; pages are fetched when they are reached."""
        listed = self._listed
        yield from listed.data
        while listed.list_metadata.after:
            listed = self._next_page(listed.list_metadata.after)
            yield from listed.data

    __iter__ = auto_paging_iter


class AsyncPage(_Page[T]):
    """One page of a list; an `async for` loop over it walks on through the pages after it."""

    def __init__(
        self, listed: ListResponse[T], next_page: Callable[[str], Awaitable[ListResponse[T]]]
    ) -> None:
        """Fetch further pages with `next_page`."""
        super().__init__(listed)
        self._next_page = next_page

    async def auto_paging_iter(self) -> AsyncIterator[T]:
        """Walk over this page and all after it; pages are fetched when they are reached."""
        listed = self._listed
        for item in listed.data:
            yield item
        while listed.list_metadata.after:
            listed = await self._next_page(listed.list_metadata.after)
            for item in listed.data:
                yield item

    __aiter__ = auto_paging_iter
