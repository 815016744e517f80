"""Cursors: every item once, in order, in both directions, and an end."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.http.conftest import Enrolled
from tests.support.server_process import Server, fields


@pytest.fixture
def factor_ids(enroll: Callable[..., Enrolled]) -> list[str]:
    """Ids of seven factors, oldest first."""
    return [enroll().factor["id"] for _ in range(7)]


def page(api: httpx.Client, path: str, **query: str | int) -> tuple[list[str], str | None, str | None]:
    body = fields(api.get(path, params=query), 200)
    cursors = body["list_metadata"]
    return [item["id"] for item in body["data"]], cursors["before"], cursors["after"]


def walk(api: httpx.Client, path: str, cursor: str, **query: str | int) -> list[list[str]]:
    """Follow `after` or `before` to the end."""
    pages: list[list[str]] = []
    at: dict[str, str] = {}
    while len(pages) < 20:
        ids, before, after = page(api, path, **query, **at)
        pages.append(ids)
        following = after if cursor == "after" else before
        if following is None:
            return pages
        at = {cursor: following}
    raise AssertionError("the cursors never end")


def test_without_a_query_the_newest_ten_come_first(
    api: httpx.Client, factors_path: str, factor_ids: list[str]
) -> None:
    assert page(api, factors_path) == (factor_ids[::-1], None, None)


@pytest.mark.parametrize("order", ["asc", "desc", "normal"])
def test_every_order_is_the_order_it_says(
    api: httpx.Client, factors_path: str, factor_ids: list[str], order: str
) -> None:
    expected = factor_ids if order == "asc" else factor_ids[::-1]

    assert page(api, factors_path, order=order, limit=100)[0] == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_after_walks_over_every_item_once(
    api: httpx.Client, factors_path: str, factor_ids: list[str], order: str, limit: int
) -> None:
    pages = walk(api, factors_path, "after", order=order, limit=limit)

    expected = factor_ids if order == "asc" else factor_ids[::-1]
    assert pages == [expected[at : at + limit] for at in range(0, 7, limit)]


def test_normal_order_walks_to_older_items_with_before(
    api: httpx.Client, factors_path: str, factor_ids: list[str]
) -> None:
    older, _, _ = page(api, factors_path, order="normal", limit=3, before=factor_ids[4])
    newer, _, _ = page(api, factors_path, order="normal", limit=3, after=factor_ids[4])

    assert older == [factor_ids[3], factor_ids[2], factor_ids[1]]
    assert set(newer) == {factor_ids[6], factor_ids[5]}


def test_before_goes_back_to_the_page_just_left(
    api: httpx.Client, factors_path: str, factor_ids: list[str]
) -> None:
    first, _, after = page(api, factors_path, limit=3)
    assert after is not None
    _, before, _ = page(api, factors_path, limit=3, after=after)
    assert before is not None

    assert page(api, factors_path, limit=3, before=before)[0] == first


def test_cursors_exist_only_where_more_items_are(
    api: httpx.Client, factors_path: str, factor_ids: list[str]
) -> None:
    newest = factor_ids[::-1]

    assert page(api, factors_path, limit=7) == (newest, None, None)
    assert page(api, factors_path, limit=6) == (newest[:6], None, newest[5])
    assert page(api, factors_path, limit=6, after=newest[0]) == (newest[1:], newest[1], None)
    assert page(api, factors_path, limit=2, after=newest[2]) == (newest[3:5], newest[3], newest[4])


def test_an_item_after_the_last_is_an_empty_page(
    api: httpx.Client, factors_path: str, factor_ids: list[str]
) -> None:
    assert page(api, factors_path, after=factor_ids[0])[0] == []


def test_empty_query_values_count_as_absent(
    api: httpx.Client, factors_path: str, factor_ids: list[str]
) -> None:
    query = {"limit": "", "order": "", "before": "", "after": ""}

    assert page(api, factors_path, **query)[0] == factor_ids[::-1]


def test_the_list_of_users_walks_over_every_user_once(server: Server, email: str) -> None:
    made = server.run("--json", "environments", "create", f"paging-{uuid.uuid4().hex[:8]}")
    key = json.loads(made.stdout)["api_key"]
    with server.client(key) as client:
        ids: list[Any] = [
            fields(client.post("/user_management/users", json={"email": f"{number}.{email}"}), 201)["id"]
            for number in range(5)
        ]
        assert walk(client, "/user_management/users", "after", limit=2) == [
            [ids[4], ids[3]],
            [ids[2], ids[1]],
            [ids[0]],
        ]
        assert page(client, "/user_management/users", order="asc", limit=100)[0] == ids
