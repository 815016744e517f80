"""Trusted devices on the page on which users manage their factors: whose they are, and what ends them."""

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from authfactor import errors
from authfactor.rules.links.factor_page_refusals import ConfirmationRequired
from tests.rules.test_factor_pages import AT_ONCE, active, sign_in, visit
from tests.rules.test_trusted_devices import allow, make, statuses
from tests.support.clock import DAY

if TYPE_CHECKING:
    from authfactor.models import Enrollment, UserRecord
    from tests.rules.test_factor_pages import Visit
    from tests.support.installation import Installation

REVOKED = "authfactor.trusted_device_revoked"


async def trusting(installation: "Installation") -> tuple["UserRecord", "Enrollment"]:
    """Return a user with an app in an environment that allows trusted devices."""
    await allow(installation)
    user = await installation.user()
    return user, await active(installation, user)


async def ids(page: "Visit") -> list[str] | None:
    devices = (await page.view()).devices
    return None if devices is None else [device.id for device in devices]


async def reasons(installation: "Installation") -> list[str]:
    rows = installation.sql(f"SELECT data FROM events WHERE name = '{REVOKED}' ORDER BY id")  # noqa: S608 - from above
    return [json.loads(str(data))["reason"] for (data,) in rows]


async def test_page_lists_the_live_devices_of_its_user(installation: "Installation") -> None:
    user, _ = await trusting(installation)
    stranger = await installation.user()
    await active(installation, stranger)
    await make(installation, stranger, "session_s")
    ended, kept = [(await make(installation, user, f"session_{at}")).device.id for at in range(2)]
    await installation.af.run(
        installation.af.trusted_devices.revoke(installation.environment, user.id, ended)
    )
    page = await visit(installation, user)
    assert await ids(page) == [kept]
    installation.clock.now += 30 * DAY * 1000
    assert await ids(await visit(installation, user)) == []


async def test_page_has_no_devices_where_the_environment_trusts_none(installation: "Installation") -> None:
    user, _ = await trusting(installation)
    await make(installation, user)
    assert len(await ids(await visit(installation, user)) or []) == 1
    await allow(installation, trusted_devices="off")
    assert await ids(await visit(installation, user)) is None


async def test_device_is_forgotten_only_after_a_code_of_this_page_session(
    installation: "Installation",
) -> None:
    user, enrolled = await trusting(installation)
    device = (await make(installation, user)).device.id
    page, other = await visit(installation, user), await visit(installation, user)
    await other.confirm(enrolled)
    with pytest.raises(ConfirmationRequired):
        await page.do("forget_device", device)
    assert await statuses(installation, user) == ["active"]
    await other.do("forget_device", device)
    assert await statuses(installation, user) == ["ended"]
    assert await ids(page) == []
    assert await reasons(installation) == ["revoked"]


async def test_device_of_another_user_is_not_found(installation: "Installation") -> None:
    user, enrolled = await trusting(installation)
    stranger = await installation.user()
    await active(installation, stranger)
    foreign = (await make(installation, stranger)).device.id
    page = await visit(installation, user)
    await page.confirm(enrolled)
    for device_id in (foreign, "trusted_device_x", ""):
        with pytest.raises(errors.NotFound):
            await page.do("forget_device", device_id)
    assert await statuses(installation, stranger) == ["active"]


async def test_device_forgotten_many_times_at_once_ends_with_one_event(installation: "Installation") -> None:
    user, enrolled = await trusting(installation)
    device = (await make(installation, user)).device.id
    page = await visit(installation, user)
    await page.confirm(enrolled)
    await asyncio.gather(*(page.do("forget_device", device) for _ in range(AT_ONCE)))
    assert await reasons(installation) == ["revoked"]


async def test_end_of_other_sessions_forgets_the_devices(installation: "Installation") -> None:
    user, enrolled = await trusting(installation)
    session = await sign_in(installation, user)
    await make(installation, user)
    page = await visit(installation, user, session_id=session)
    await page.confirm(enrolled)
    await page.do("end_other_sessions")
    assert await ids(page) == []
    assert await reasons(installation) == ["sessions_revoked"]
