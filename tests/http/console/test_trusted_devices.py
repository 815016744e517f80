"""Operators switch trusted devices on with a code, see a user's devices, and revoke them."""

import re

import pytest

from authfactor.rules.tenants.environments import options_of
from tests.http.console.test_confirmation import CODE, STALE, asks_for_a_code
from tests.http.console.test_outdated_forms import SETTINGS
from tests.http.console.test_roles import Targets, targets
from tests.support.console import HOME, Browser, Console, version_on

__all__ = ["targets"]


async def options(console: Console) -> tuple[str, int]:
    environment = await console.af.read(lambda tx: tx.environments.by_number(1))
    assert environment is not None
    found = options_of(environment)
    return found.trusted_devices, found.trusted_device_days


async def form(owner: Browser, **fields: str) -> dict[str, str]:
    version = version_on(await owner.get(f"{HOME}/settings"), f"{HOME}/settings")
    return {**SETTINGS, "updated_at": version, **fields}


async def test_only_trusting_more_needs_a_code(console: Console, owner: Browser) -> None:
    console.clock.advance(STALE)
    more = await form(owner, trusted_devices="1", trusted_device_days="14", mfa_policy="required")
    assert asks_for_a_code(await owner.post(f"{HOME}/settings", more))
    assert await options(console) == ("off", 30)
    confirmed = await owner.post(f"{HOME}/settings", {**more, CODE: console.code(owner.secret)})
    assert confirmed.status_code == 303
    assert await options(console) == ("allowed", 14)
    console.clock.advance(STALE)
    longer = await form(owner, trusted_devices="1", trusted_device_days="15", mfa_policy="required")
    assert asks_for_a_code(await owner.post(f"{HOME}/settings", longer))
    for less in ({"trusted_devices": "1", "trusted_device_days": "7"}, {"trusted_device_days": "7"}):
        fields = await form(owner, mfa_policy="required", **less)
        assert (await owner.post(f"{HOME}/settings", fields)).status_code == 303
    assert await options(console) == ("off", 7)


async def test_form_of_an_older_release_leaves_the_options(console: Console, owner: Browser) -> None:
    on = await form(owner, trusted_devices="1", trusted_device_days="14")
    assert (await owner.post(f"{HOME}/settings", on)).status_code == 303
    assert (await owner.post(f"{HOME}/settings", await form(owner))).status_code == 303
    assert await options(console) == ("allowed", 14)


@pytest.mark.parametrize("days", ["0", "91", "-1", "1e1", "٣", "9" * 5000])
async def test_impossible_days_are_refused(console: Console, owner: Browser, days: str) -> None:
    response = await owner.post(f"{HOME}/settings", await form(owner, trusted_device_days=days))
    assert response.status_code == 422
    assert "1 to 90" in response.text
    assert await options(console) == ("off", 30)


async def test_page_of_a_user_shows_devices_and_revokes_one(
    console: Console, owner: Browser, targets: Targets
) -> None:
    on = await form(owner, trusted_devices="1", trusted_device_days="30")
    await console.af.run(lambda tx: tx.db.run("UPDATE trusted_devices SET name = '<b>Laptop</b>'"))
    page = await owner.get(f"{HOME}/users/{targets.user}")
    assert "&lt;b&gt;Laptop" in page.text
    assert re.search(r'badge">ended', page.text)
    assert (await owner.post(f"{HOME}/settings", on)).status_code == 303
    path = f"{HOME}/users/{targets.user}/devices/{targets.device}/revoke"
    assert (await owner.post(path, {"reason": "lost laptop"})).status_code == 303
    ended = await console.af.read(lambda tx: tx.trusted_devices.by_id(1, targets.device))
    assert ended is not None
    assert ended.ended_at == console.clock.now
    other = await console.user("other@example.com")
    wrong = path.replace(targets.user, other.id)
    assert (await owner.post(wrong, {"reason": "x"})).status_code == 404
