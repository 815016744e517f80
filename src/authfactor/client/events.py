"""`client.events`: what happened."""

from collections.abc import Sequence
from datetime import datetime

from authfactor.client.operations import ApiCall, AsyncGroup, Group, SyncGroup, listing, query, reader
from authfactor.client.types import Event, ListResponse, Order


class _Events(Group):
    """The methods, written once for both clients."""

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
        """List events of these names (`user.created`, `session.created`, …), oldest first.

        Raises `BadRequestError` without a name, `UnprocessableEntityError`.
        """
        asked = query(
            events=",".join(events),
            limit=limit,
            before=before,
            after=after,
            order=order,
            range_start=_moment(range_start),
            range_end=_moment(range_end),
        )
        return ApiCall("GET", "/events", reader(ListResponse[Event]), query=asked)


def _moment(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError("a moment needs its time zone: datetime(..., tzinfo=UTC)")
    return moment.isoformat()


class Events(_Events, SyncGroup):
    """`client.events` of a `Client`."""


class AsyncEvents(_Events, AsyncGroup):
    """`client.events` of an `AsyncClient`."""
