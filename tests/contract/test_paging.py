"""Every page of every small list in any store, against a model of three lines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import pytest

from authfactor.models import Factor, PageQuery, User
from authfactor.store import Store, Unit

if TYPE_CHECKING:
    from tests.contract.conftest import Rows

Order = Literal["asc", "desc", "normal"]
Found = tuple[list[str], bool, bool]
LONGEST = 6


def model(ids: Sequence[str], query: PageQuery) -> Found:
    """Say what a page must hold: ids in the order asked for, and whether more lie before and after it."""
    listed = sorted(ids, reverse=query.order != "asc")
    # Cursors mean places in the list as shown, except under `normal`: there `before` is older, so further on.
    onward, backward = query.after, query.before
    if query.order == "normal":
        onward, backward = backward, onward
    start = listed.index(onward) + 1 if onward else 0
    end = listed.index(backward) if backward else len(listed)
    first = max(end - query.limit, 0) if backward else start
    last = min(first + query.limit, end)
    page = listed[first:last]
    return page, bool(page) and first > 0, bool(page) and last < len(listed)


def queries(ids: Sequence[str], order: Order) -> list[PageQuery]:
    """Ask for every page of this list: limits around every boundary, each item as either cursor."""
    return [
        query
        for limit in range(1, len(ids) + 2)
        for query in (
            PageQuery(limit, order),
            *(PageQuery(limit, order, before=cursor) for cursor in ids),
            *(PageQuery(limit, order, after=cursor) for cursor in ids),
        )
    ]


def users(query: PageQuery) -> Unit[tuple[list[User], bool, bool]]:
    return lambda tx: tx.users.page(1, query, None)


def factors(query: PageQuery) -> Unit[tuple[list[Factor], bool, bool]]:
    return lambda tx: tx.factors.page(1, "user_0001", query)


def found(page: tuple[list[User] | list[Factor], bool, bool]) -> Found:
    items, more_before, more_after = page
    return [item.id for item in items], more_before, more_after


@pytest.mark.parametrize("order", ["asc", "desc", "normal"])
async def test_every_page_of_users_is_the_models(store: Store, rows: "Rows", order: Order) -> None:
    await store.write(lambda tx: tx.users.insert(2, rows.user(3)))
    ids: list[str] = []
    for number in range(LONGEST + 1):
        for query in queries(ids, order):
            page = await store.read(users(query))
            assert found(page) == model(ids, query), query
        user = rows.user(number)
        await rows.put(store, user)
        ids.append(user.id)


@pytest.mark.parametrize("order", ["asc", "desc", "normal"])
async def test_every_page_of_a_users_factors_is_the_models(store: Store, rows: "Rows", order: Order) -> None:
    ids: list[str] = []
    for number in range(LONGEST + 1):
        for query in queries(ids, order):
            page = await store.read(factors(query))
            assert found(page) == model(ids, query), query
        mine, other = rows.factor(2 * number), rows.factor(2 * number + 1, user_id="user_0002")
        await rows.put(store, mine)
        await rows.put(store, other)
        ids.append(mine.id)


@pytest.mark.parametrize("order", ["asc", "desc", "normal"])
async def test_users_listed_by_email_are_that_one_whatever_the_case(
    store: Store, rows: "Rows", order: Order
) -> None:
    for number in range(3):
        await rows.put(store, rows.user(number))
    query = PageQuery(10, order)
    page = await store.read(lambda tx: tx.users.page(1, query, "U1@EXAMPLE.com"))
    assert found(page) == (["user_0001"], False, False)
    assert await store.read(lambda tx: tx.users.page(1, query, "nobody@example.com")) == ([], False, False)
    assert await store.read(lambda tx: tx.users.page(2, query, "u1@example.com")) == ([], False, False)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_following_after_visits_every_item_once_and_before_leads_back(
    store: Store, rows: "Rows", order: Order
) -> None:
    for number in range(23):
        await rows.put(store, rows.user(number))
    listed = sorted((rows.user(number).id for number in range(23)), reverse=order == "desc")

    async def page(**cursor: str) -> Found:
        return found(await store.read(lambda tx: tx.users.page(1, PageQuery(5, order, **cursor), None)))

    seen, _, more = await page()
    while more:
        ids, earlier, more = await page(after=seen[-1])
        assert earlier
        seen += ids
    assert seen == listed
    back = seen[20:]
    more = True
    while more:
        ids, more, later = await page(before=back[0])
        assert later
        back = ids + back
    assert back == listed


async def test_an_item_added_meanwhile_neither_repeats_nor_hides_another(store: Store, rows: "Rows") -> None:
    for number in (2, 4, 6):
        await rows.put(store, rows.user(number))
    first = found(await store.read(lambda tx: tx.users.page(1, PageQuery(2, "desc"), None)))
    assert first == (["user_0006", "user_0004"], False, True)
    await rows.put(store, rows.user(8))
    await store.write(lambda tx: tx.users.delete(1, "user_0004"))
    second = found(
        await store.read(lambda tx: tx.users.page(1, PageQuery(2, "desc", after="user_0004"), None))
    )
    assert second == (["user_0002"], True, False)
