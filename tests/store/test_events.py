"""Events in every store: appended once, listed by name and time."""

from typing import TYPE_CHECKING, Literal

import pytest

from authfactor.models import EventRecord, PageQuery
from authfactor.store import Store, Tx, Unit

if TYPE_CHECKING:
    from tests.store.conftest import PaginationModel

Order = Literal["asc", "desc", "normal"]
NAMES = ("user.created", "user.updated", "user.deleted")
ALL_TIME = (0, 2**62)


def event(number: int) -> EventRecord:
    return EventRecord(f"event_{number:04}", NAMES[number % 3], "user_1", f'{{"n":{number}}}', 100 * number)


def append(record: EventRecord, environment: int = 1) -> Unit[None]:
    return lambda tx: tx.events.append(
        environment, record.id, record.name, record.user_id, record.data, record.created_at
    )


def listing(
    names: tuple[str, ...], query: PageQuery, start: int, end: int
) -> Unit[tuple[list[EventRecord], bool, bool]]:
    return lambda tx: tx.events.page(1, names, query, start, end)


async def test_event_is_read_as_it_was_written(store: Store) -> None:
    records = [
        EventRecord("event_1", "user.created", "user_1", '{"ä":1}', 2**41),
        EventRecord("event_2", "x", None, "{}", 5),
    ]
    for each in records:
        await store.write(append(each))

    async def unit(tx: Tx) -> list[EventRecord | None]:
        return [await tx.events.by_id(1, f"event_{number}") for number in (1, 2, 3)]

    assert await store.read(unit) == [*records, None]


@pytest.mark.parametrize("order", ["asc", "desc", "normal"])
@pytest.mark.parametrize("names", [NAMES[:1], NAMES[:2], NAMES])
async def test_every_page_filtered_by_name_equals_the_model(
    store: Store, pagination: "PaginationModel", names: tuple[str, ...], order: Order
) -> None:
    records = [event(number) for number in range(7)]
    for each in records:
        await store.write(append(each))
    await store.write(append(event(3), environment=2))
    ids = [each.id for each in records if each.name in names]
    for query in pagination.queries(ids, order):
        found = await store.read(listing(names, query, *ALL_TIME))
        assert pagination.ids_of(found) == pagination.expected(ids, query), query


async def test_time_range_includes_its_start_and_excludes_its_end(store: Store) -> None:
    for number in range(6):
        await store.write(append(event(number)))

    async def between(start: int, end: int) -> list[str]:
        items, _, _ = await store.read(listing(NAMES, PageQuery(10, "asc"), start, end))
        return [each.id[-1] for each in items]

    assert await between(100, 400) == ["1", "2", "3"]
    assert await between(101, 401) == ["2", "3", "4"]
    assert await between(400, 400) == []
