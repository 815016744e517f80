"""Keyset pagination in every store: every page of every small list, compared with a model."""

from typing import TYPE_CHECKING, Literal

import pytest

from authfactor.models import FactorRecord, PageQuery, UserRecord
from authfactor.store import Store, Unit

if TYPE_CHECKING:
    from tests.store.conftest import PageContent, PaginationModel, Rows

Order = Literal["asc", "desc", "normal"]
MAX_ITEMS = 6


def users(query: PageQuery) -> Unit[tuple[list[UserRecord], bool, bool]]:
    return lambda tx: tx.users.page(1, query, None)


def factors(query: PageQuery) -> Unit[tuple[list[FactorRecord], bool, bool]]:
    return lambda tx: tx.factors.page(1, "user_0001", query)


@pytest.mark.parametrize("order", ["asc", "desc", "normal"])
async def test_every_page_of_users_equals_the_model(
    store: Store, rows: "Rows", pagination: "PaginationModel", order: Order
) -> None:
    await store.write(lambda tx: tx.users.insert(2, rows.user(3)))
    ids: list[str] = []
    for number in range(MAX_ITEMS + 1):
        for query in pagination.queries(ids, order):
            page = await store.read(users(query))
            assert pagination.ids_of(page) == pagination.expected(ids, query), query
        user = rows.user(number)
        await rows.put(store, user)
        ids.append(user.id)


@pytest.mark.parametrize("order", ["asc", "desc", "normal"])
async def test_every_page_of_a_users_factors_equals_the_model(
    store: Store, rows: "Rows", pagination: "PaginationModel", order: Order
) -> None:
    ids: list[str] = []
    for number in range(MAX_ITEMS + 1):
        for query in pagination.queries(ids, order):
            page = await store.read(factors(query))
            assert pagination.ids_of(page) == pagination.expected(ids, query), query
        mine, other = rows.factor(2 * number), rows.factor(2 * number + 1, user_id="user_0002")
        await rows.put(store, mine)
        await rows.put(store, other)
        ids.append(mine.id)


@pytest.mark.parametrize("order", ["asc", "desc", "normal"])
async def test_email_filter_of_users_ignores_case(
    store: Store, rows: "Rows", pagination: "PaginationModel", order: Order
) -> None:
    for number in range(3):
        await rows.put(store, rows.user(number))
    query = PageQuery(10, order)
    page = await store.read(lambda tx: tx.users.page(1, query, "U1@EXAMPLE.com"))
    assert pagination.ids_of(page) == (["user_0001"], False, False)
    assert await store.read(lambda tx: tx.users.page(1, query, "unknown@example.com")) == ([], False, False)
    assert await store.read(lambda tx: tx.users.page(2, query, "u1@example.com")) == ([], False, False)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_following_cursors_visits_every_item_once_in_both_directions(
    store: Store, rows: "Rows", pagination: "PaginationModel", order: Order
) -> None:
    for number in range(23):
        await rows.put(store, rows.user(number))
    listed = sorted((rows.user(number).id for number in range(23)), reverse=order == "desc")

    async def page(**cursor: str) -> "PageContent":
        return pagination.ids_of(
            await store.read(lambda tx: tx.users.page(1, PageQuery(5, order, **cursor), None))
        )

    forward, _, more = await page()
    while more:
        ids, earlier, more = await page(after=forward[-1])
        assert earlier
        forward += ids
    assert forward == listed
    backward = forward[20:]
    more = True
    while more:
        ids, more, later = await page(before=backward[0])
        assert later
        backward = ids + backward
    assert backward == listed


async def test_changes_between_pages_do_not_repeat_or_hide_other_items(
    store: Store, rows: "Rows", pagination: "PaginationModel"
) -> None:
    for number in (2, 4, 6):
        await rows.put(store, rows.user(number))
    first = pagination.ids_of(await store.read(lambda tx: tx.users.page(1, PageQuery(2, "desc"), None)))
    assert first == (["user_0006", "user_0004"], False, True)
    await rows.put(store, rows.user(8))
    await store.write(lambda tx: tx.users.delete(1, "user_0004"))
    second = pagination.ids_of(
        await store.read(lambda tx: tx.users.page(1, PageQuery(2, "desc", after="user_0004"), None))
    )
    assert second == (["user_0002"], True, False)
