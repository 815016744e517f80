"""Actions on a user's page reach that user alone."""

import pytest

from tests.http.console.test_roles import Targets, contents, targets
from tests.support.console import HOME, Browser, Console

__all__ = ["targets"]


async def kept(console: Console) -> dict[str, list[tuple[object, ...]]]:
    """Return every table but the deliveries, which the dispatcher works on meanwhile."""
    found = await contents(console)
    del found["deliveries"]
    return found


@pytest.mark.parametrize(
    "user", ["other", "user_01ZZZZZZZZZZZZZZZZZZZZZZZZ", "x", "%00", "..%2F..", "%F0%9F%98%80"]
)
async def test_session_under_a_user_who_is_not_its_own_is_not_found_and_goes_on(
    console: Console, owner: Browser, targets: Targets, user: str
) -> None:
    if user == "other":
        user = (await console.user("other@example.com")).id
    before = await kept(console)
    path = f"{HOME}/users/{user}/sessions/{targets.session}/revoke"
    response = await owner.post(path, {"reason": "asked by phone"})
    assert response.status_code == 404
    assert await kept(console) == before


async def test_factor_under_a_user_who_is_not_its_own_is_not_found_and_stays(
    console: Console, owner: Browser, targets: Targets
) -> None:
    other = await console.user("other@example.com")
    before = await kept(console)
    for user in (other.id, "x"):
        path = f"{HOME}/users/{user}/factors/{targets.factor}/delete"
        assert (await owner.post(path, {"reason": "x"})).status_code == 404
    assert await kept(console) == before
