"""Cursors: every item once, in order, in both directions, and a last page."""

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
    """Return the ids of seven factors, oldest first."""
    return [enroll().factor["id"] for _ in range(7)]


def page(api: httpx.Client, path: str, **query: str | int) -> tuple[list[str], str | None, str | None]:
    body = fields(api.get(path, params=query), 200)
    cursors = body["list_metadata"]
    return [item["id"] for item in body["data"]], cursors["before"], cursors["after"]


def all_pages(api: httpx.Client, path: str, cursor: str, **query: str | int) -> list[list[str]]:
    """Follow `after` or `before` to the last page."""
    pages: list[list[str]] = []
    position: dict[str, str] = {}
    while len(pages) < 20:
        ids, before, after = page(api, path, **query, **position)
        pages.append(ids)
        next_cursor = after if cursor == "after" else before
        if next_cursor is None:
            return pages
        position = {cursor: next_cursor}
    raise AssertionError("the cursors never end")


def test_default_order_is_newest_first(api: httpx.Client, factors_path: str, factor_ids: list[str]) -> None:
    assert page(api, factors_path) == (factor_ids[::-1], None, None)


@pytest.mark.parametrize("order", ["asc", "desc", "normal"])
def test_order_parameter_sorts_the_list(
    api: httpx.Client, factors_path: str, factor_ids: list[str], order: str
) -> None:
    expected = factor_ids if order == "asc" else factor_ids[::-1]

    assert page(api, factors_path, order=order, limit=100)[0] == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_after_cursor_visits_every_item_once(
    api: httpx.Client, factors_path: str, factor_ids: list[str], order: str, limit: int
) -> None:
    pages = all_pages(api, factors_path, "after", order=order, limit=limit)

    expected = factor_ids if order == "asc" else factor_ids[::-1]
    assert pages == [expected[start : start + limit] for start in range(0, 7, limit)]


def test_before_cursor_in_normal_order_returns_older_items(
    api: httpx.Client, factors_path: str, factor_ids: list[str]
) -> None:
    older, _, _ = page(api, factors_path, order="normal", limit=3, before=factor_ids[4])
    newer, _, _ = page(api, factors_path, order="normal", limit=3, after=factor_ids[4])

    assert older == [factor_ids[3], factor_ids[2], factor_ids[1]]
    assert set(newer) == {factor_ids[6], factor_ids[5]}


def test_before_cursor_returns_the_previous_page(
    api: httpx.Client, factors_path: str, factor_ids: list[str]
) -> None:
    first, _, after = page(api, factors_path, limit=3)
    assert after is not None
    _, before, _ = page(api, factors_path, limit=3, after=after)
    assert before is not None

    assert page(api, factors_path, limit=3, before=before)[0] == first


def test_cursors_are_null_where_no_more_items_exist(
    api: httpx.Client, factors_path: str, factor_ids: list[str]
) -> None:
    newest = factor_ids[::-1]

    assert page(api, factors_path, limit=7) == (newest, None, None)
    assert page(api, factors_path, limit=6) == (newest[:6], None, newest[5])
    assert page(api, factors_path, limit=6, after=newest[0]) == (newest[1:], newest[1], None)
    assert page(api, factors_path, limit=2, after=newest[2]) == (newest[3:5], newest[3], newest[4])


def test_page_after_the_last_item_is_empty(
    api: httpx.Client, factors_path: str, factor_ids: list[str]
) -> None:
    assert page(api, factors_path, after=factor_ids[0])[0] == []


def test_empty_query_values_are_ignored(api: httpx.Client, factors_path: str, factor_ids: list[str]) -> None:
    query = {"limit": "", "order": "", "before": "", "after": ""}

    assert page(api, factors_path, **query)[0] == factor_ids[::-1]


def test_user_list_pages_visit_every_user_once(server: Server, email: str) -> None:
    created = server.run("--json", "environments", "create", f"paging-{uuid.uuid4().hex[:8]}")
    key = json.loads(created.stdout)["api_key"]
    with server.client(key) as client:
        ids: list[Any] = [
            fields(client.post("/user_management/users", json={"email": f"{number}.{email}"}), 201)["id"]
            for number in range(5)
        ]
        assert all_pages(client, "/user_management/users", "after", limit=2) == [
            [ids[4], ids[3]],
            [ids[2], ids[1]],
            [ids[0]],
        ]
        assert page(client, "/user_management/users", order="asc", limit=100)[0] == ids
