"""Every page of every small list in any store, against a model of three lines."""

from typing import TYPE_CHECKING, Literal

import pytest

from authfactor.models import FactorRecord, PageQuery, UserRecord
from authfactor.store import Store, Unit

if TYPE_CHECKING:
    from tests.store.conftest import Found, Pages, Rows

Order = Literal["asc", "desc", "normal"]
LONGEST = 6


def users(query: PageQuery) -> Unit[tuple[list[UserRecord], bool, bool]]:
    return lambda tx: tx.users.page(1, query, None)


def factors(query: PageQuery) -> Unit[tuple[list[FactorRecord], bool, bool]]:
    return lambda tx: tx.factors.page(1, "user_0001", query)


@pytest.mark.parametrize("order", ["asc", "desc", "normal"])
async def test_every_page_of_users_is_the_models(
    store: Store, rows: "Rows", pages: "Pages", order: Order
) -> None:
    await store.write(lambda tx: tx.users.insert(2, rows.user(3)))
    ids: list[str] = []
    for number in range(LONGEST + 1):
        for query in pages.queries(ids, order):
            page = await store.read(users(query))
            assert pages.shown(page) == pages.model(ids, query), query
        user = rows.user(number)
        await rows.put(store, user)
        ids.append(user.id)


@pytest.mark.parametrize("order", ["asc", "desc", "normal"])
async def test_every_page_of_a_users_factors_is_the_models(
    store: Store, rows: "Rows", pages: "Pages", order: Order
) -> None:
    ids: list[str] = []
    for number in range(LONGEST + 1):
        for query in pages.queries(ids, order):
            page = await store.read(factors(query))
            assert pages.shown(page) == pages.model(ids, query), query
        mine, other = rows.factor(2 * number), rows.factor(2 * number + 1, user_id="user_0002")
        await rows.put(store, mine)
        await rows.put(store, other)
        ids.append(mine.id)


@pytest.mark.parametrize("order", ["asc", "desc", "normal"])
async def test_users_listed_by_email_are_that_one_whatever_the_case(
    store: Store, rows: "Rows", pages: "Pages", order: Order
) -> None:
    for number in range(3):
        await rows.put(store, rows.user(number))
    query = PageQuery(10, order)
    page = await store.read(lambda tx: tx.users.page(1, query, "U1@EXAMPLE.com"))
    assert pages.shown(page) == (["user_0001"], False, False)
    assert await store.read(lambda tx: tx.users.page(1, query, "nobody@example.com")) == ([], False, False)
    assert await store.read(lambda tx: tx.users.page(2, query, "u1@example.com")) == ([], False, False)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_following_after_visits_every_item_once_and_before_leads_back(
    store: Store, rows: "Rows", pages: "Pages", order: Order
) -> None:
    for number in range(23):
        await rows.put(store, rows.user(number))
    listed = sorted((rows.user(number).id for number in range(23)), reverse=order == "desc")

    async def page(**cursor: str) -> "Found":
        return pages.shown(await store.read(lambda tx: tx.users.page(1, PageQuery(5, order, **cursor), None)))

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


async def test_an_item_added_meanwhile_neither_repeats_nor_hides_another(
    store: Store, rows: "Rows", pages: "Pages"
) -> None:
    for number in (2, 4, 6):
        await rows.put(store, rows.user(number))
    first = pages.shown(await store.read(lambda tx: tx.users.page(1, PageQuery(2, "desc"), None)))
    assert first == (["user_0006", "user_0004"], False, True)
    await rows.put(store, rows.user(8))
    await store.write(lambda tx: tx.users.delete(1, "user_0004"))
    second = pages.shown(
        await store.read(lambda tx: tx.users.page(1, PageQuery(2, "desc", after="user_0004"), None))
    )
    assert second == (["user_0002"], True, False)
