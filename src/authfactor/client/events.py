"""`client.events`: the events of the environment."""

from collections.abc import Sequence
from datetime import datetime

from authfactor.client.operations import ApiCall, AsyncGroup, Group, SyncGroup, decoder, listing, query
from authfactor.client.types import Event, ListResponse, Order


class _Events(Group):
    """The methods, written once for both clients. `errors` lists what every method can raise."""

    @listing
    def list_events(
        self,
        *,
        events: Sequence[str],
        limit: int | None = None,
        before: str | None = None,
        after: str | None = None,
        order: Order | None = None,
        range_start: datetime | None = None,
        range_end: datetime | None = None,
    ) -> ApiCall[ListResponse[Event]]:
        """List events by name, oldest first by default.

        Args:
            events: Names of events, such as `user.created`; at least one.
            limit: Items per page, 1 to 100. Default: 10.
            before: Cursor from `list_metadata.before`, for the page that ends just before it.
            after: Cursor from `list_metadata.after`, for the page that starts just after it.
            order: `asc` (oldest first), `desc` or `normal`.
            range_start: Return only events at or after this time; a datetime with a time zone.
            range_end: Return only events before this time; a datetime with a time zone.

        Returns a page; iterating over it also fetches the pages after it.

        Raises `BadRequestError` if `events` is empty, `UnprocessableEntityError`, and `ValueError` for a
        datetime without a time zone.
        """
        params = query(
            events=",".join(events),
            limit=limit,
            before=before,
            after=after,
            order=order,
            range_start=_format_time(range_start),
            range_end=_format_time(range_end),
        )
        return ApiCall("GET", "/events", decoder(ListResponse[Event]), query=params)


def _format_time(time: datetime | None) -> str | None:
    if time is None:
        return None
    if time.tzinfo is None:
        raise ValueError("a datetime needs a time zone: datetime(..., tzinfo=UTC)")
    return time.isoformat()


class Events(_Events, SyncGroup):
    """`client.events` of a `Client`."""


class AsyncEvents(_Events, AsyncGroup):
    """`client.events` of an `AsyncClient`."""
