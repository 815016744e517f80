"""Which pages offer to trust a browser, and which complete a link by one."""

from typing import TYPE_CHECKING

import pytest

from authfactor.errors import InvalidRequest
from authfactor.rules.links.trusted_browsers import days_offered
from tests.rules.test_links import challenge_link, open_link
from tests.rules.test_trusted_devices import allow, make, member

if TYPE_CHECKING:
    from tests.rules.test_links import Browser
    from tests.support.installation import Installation


async def opened(installation: "Installation") -> tuple["Browser", str]:
    """Open a challenge link of a user who has a trusted device; return the device's token too."""
    await allow(installation)
    user = await member(installation)
    token = (await make(installation, user)).token
    return await open_link(
        installation, await challenge_link(installation, user, remember_device=True)
    ), token


async def test_trusted_browser_completes_a_link_once(installation: "Installation") -> None:
    browser, token = await opened(installation)
    accept = installation.af.trusted_browsers.accept
    following = await installation.af.run(accept(browser.link.id, browser.session, token))
    assert following is not None
    assert await installation.af.run(accept(browser.link.id, browser.session, following.token)) is None
    stored = await installation.af.read(
        lambda tx: tx.links.by_id(installation.environment.number, browser.link.id)
    )
    assert stored is not None
    assert (stored.method, stored.completed_at) == ("trusted_device", installation.clock.now)
    names = await installation.events()
    assert names.count("authfactor.link_completed") == 1
    assert names.count("authfactor.trusted_device_used") == 1


async def test_page_that_raises_a_session_neither_offers_nor_accepts(installation: "Installation") -> None:
    browser, token = await opened(installation)
    installation.sql("UPDATE links SET session_id = 'session_1'")
    af, link = installation.af, browser.link
    page = await af.read(af.page_sessions.view(link.id, browser.session))
    assert days_offered(page) is None
    assert await af.run(af.trusted_browsers.accept(link.id, browser.session, token)) is None
    installation.sql("UPDATE links SET method = 'totp', completed_at = 1")
    trust = af.trusted_browsers.trust(link.id, browser.session, None, None)
    assert await af.run(trust) is None


async def test_link_that_a_recovery_code_completed_trusts_no_browser(installation: "Installation") -> None:
    browser, _ = await opened(installation)
    af, link = installation.af, browser.link
    trust = af.trusted_browsers.trust
    for method in ("recovery_code", "trusted_device"):
        installation.sql(f"UPDATE links SET method = '{method}', completed_at = 1")  # noqa: S608 - from above
        assert await af.run(trust(link.id, browser.session, None, None)) is None
    installation.sql("UPDATE links SET method = 'totp'")
    made = await af.run(trust(link.id, browser.session, None, "x" * 600))
    assert made is not None
    assert made.device.user_agent == "x" * 512


async def test_open_link_trusts_no_browser(installation: "Installation") -> None:
    browser, _ = await opened(installation)
    trust = installation.af.trusted_browsers.trust(browser.link.id, browser.session, None, None)
    assert await installation.af.run(trust) is None


async def test_link_cannot_both_raise_a_session_and_remember_the_device(installation: "Installation") -> None:
    user = await member(installation)
    with pytest.raises(InvalidRequest) as refused:
        await challenge_link(installation, user, remember_device=True, session_id="session_1")
    assert [item.code for item in refused.value.items] == ["remember_device_with_session_id"]
