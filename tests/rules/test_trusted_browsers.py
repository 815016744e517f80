"""Which pages offer to trust a browser, and which complete a link by one."""

from typing import TYPE_CHECKING

import pytest

from authfactor import errors
from authfactor.errors import InvalidRequest
from authfactor.rules.links.trusted_browsers import days_offered
from authfactor.store.tables.links import LinksTable
from authfactor.store.tables.users import UsersTable
from tests.rules.test_links import challenge_link, open_link
from tests.rules.test_trusted_devices import allow, make, member

if TYPE_CHECKING:
    from authfactor.models import ProofMethod, UserRecord
    from tests.rules.test_links import Browser
    from tests.support.installation import Installation
COMPLETED = "authfactor.link_completed"
USED = "authfactor.trusted_device_used"


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


def delete_before_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another request delete each user right before its row is locked.

    Units of SQLite are serialized, so the other request's statement runs inside the unit.
    """
    lock = UsersTable.lock

    async def late(table: UsersTable, environment: int, user_id: str) -> "UserRecord | None":
        await table.delete(environment, user_id)
        return await lock(table, environment, user_id)

    monkeypatch.setattr(UsersTable, "lock", late)


async def test_browser_of_a_user_who_is_deleted_before_the_lock_is_not_accepted(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, token = await opened(installation)
    accept = installation.af.trusted_browsers.accept(browser.link.id, browser.session, token)
    with monkeypatch.context() as patch:
        delete_before_lock(patch)
        with pytest.raises(errors.LinkUnknown):
            await installation.af.run(accept)
    assert USED not in await installation.events()
    assert await installation.af.run(accept) is not None


async def test_browser_of_a_user_who_is_deleted_before_the_lock_is_not_trusted(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, _ = await opened(installation)
    installation.sql("UPDATE links SET method = 'totp', completed_at = 1")
    before = installation.sql("SELECT count(*) FROM trusted_devices")
    trust = installation.af.trusted_browsers.trust(browser.link.id, browser.session, None, None)
    delete_before_lock(monkeypatch)
    with pytest.raises(errors.LinkUnknown):
        await installation.af.run(trust)
    assert installation.sql("SELECT count(*) FROM trusted_devices") == before


async def test_trusted_browser_loses_to_another_completion_and_its_token_stays_valid(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, token = await opened(installation)
    accept = installation.af.trusted_browsers.accept(browser.link.id, browser.session, token)
    complete = LinksTable.complete

    async def late(
        table: LinksTable, environment: int, link_id: str, now: int, method: "ProofMethod"
    ) -> bool:
        assert await complete(table, environment, link_id, now, "totp")
        return await complete(table, environment, link_id, now, method)

    with monkeypatch.context() as patch:
        patch.setattr(LinksTable, "complete", late)
        with pytest.raises(errors.LinkUsed):
            await installation.af.run(accept)
    assert {COMPLETED, USED}.isdisjoint(await installation.events())
    assert await installation.af.run(accept) is not None
