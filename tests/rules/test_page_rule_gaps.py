"""Page sessions whose user or link is gone by the time of the write, as after a concurrent request.

Units of SQLite are serialized, so the other request's statement runs inside the unit, right before its own.
"""

from typing import TYPE_CHECKING

import pytest

from authfactor import errors
from authfactor.store.tables.links import LinksTable
from authfactor.store.tables.users import UsersTable
from tests.rules.test_factor_pages import active, visit
from tests.rules.test_trusted_browsers import opened

if TYPE_CHECKING:
    from authfactor.models import ProofMethod, UserRecord
    from tests.support.installation import Installation

COMPLETED = "authfactor.link_completed"
USED = "authfactor.trusted_device_used"


def delete_before_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another request delete each user right before its row is locked."""
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


async def test_page_that_is_left_twice_at_once_writes_no_second_event(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await visit(installation, await installation.user())
    leave = LinksTable.leave

    async def late(table: LinksTable, environment: int, link_id: str, now: int) -> bool:
        assert await leave(table, environment, link_id, now - 1)
        return await leave(table, environment, link_id, now)

    monkeypatch.setattr(LinksTable, "leave", late)
    left = await page.do("leave")
    assert left.link.id == page.link_id
    assert COMPLETED not in await installation.events()
    assert installation.sql("SELECT completed_at FROM links") == [(installation.clock.now - 1,)]
    with pytest.raises(errors.LinkUnknown):
        await page.do("leave")


async def test_code_stays_unspent_when_the_page_is_left_before_it_confirms(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await installation.user()
    enrolled = await active(installation, user)
    page = await visit(installation, user)
    confirm = LinksTable.confirm

    async def late(table: LinksTable, environment: int, link_id: str, session_hash: bytes, now: int) -> bool:
        assert await table.leave(environment, link_id, now)
        return await confirm(table, environment, link_id, session_hash, now)

    with monkeypatch.context() as patch:
        patch.setattr(LinksTable, "confirm", late)
        with pytest.raises(errors.LinkUnknown):
            await page.confirm(enrolled)
    assert not (await page.view()).is_confirmed
    verification = await page.confirm(enrolled)
    assert verification is not None
    assert verification.valid
