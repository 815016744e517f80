"""Notices: users with a verified email learn of changes to their account, and only they."""

from typing import Any

import pytest

from authfactor.models import UserRecord
from authfactor.rules.events import event_log
from authfactor.rules.unit import Scope
from authfactor.store import Tx
from authfactor.wire.requests import UpdateUser
from tests.rules.test_message_outbox import TO, set_sender
from tests.rules.test_trusted_devices import allow, make
from tests.support.installation import Installation, Opener


@pytest.fixture
async def site(open_installation: Opener) -> Installation:
    opened: Installation = await open_installation(base_url="http://127.0.0.1:8080")
    await set_sender(opened)
    return opened


async def member(site: Installation, **fields: Any) -> UserRecord:  # noqa: ANN401 - any field
    return await site.user(TO, **{"email_verified": True, "locale": "de", **fields})


def notices(site: Installation) -> list[tuple[object, ...]]:
    return site.sql("SELECT kind, recipient FROM messages ORDER BY id")


async def change(site: Installation, user: UserRecord, **fields: Any) -> None:  # noqa: ANN401 - any field
    unit = await site.af.users.prepare_update(site.environment, user.id, UpdateUser(**fields))
    await site.af.run(unit)


async def test_factor_that_is_added_and_removed_is_reported_in_the_users_language(site: Installation) -> None:
    user = await member(site)
    enrolled = await site.enroll(user)
    assert notices(site) == []
    await site.answer(enrolled, site.code(enrolled))
    await site.af.run(site.af.factors.delete(site.environment, enrolled.factor.id))
    assert notices(site) == [("factor_added", TO), ("factor_removed", TO)]
    assert site.sql("SELECT DISTINCT locale, user_id FROM messages") == [("de", user.id)]


async def test_abandoned_enrollment_is_not_reported(site: Installation) -> None:
    enrolled = await site.enroll(await member(site))
    await site.af.run(site.af.factors.delete(site.environment, enrolled.factor.id))
    assert notices(site) == []


async def test_used_recovery_code_and_trusted_device_are_reported(site: Installation) -> None:
    user = await member(site)
    enrolled = await site.enroll(user)
    await site.answer(enrolled, site.code(enrolled))
    made = await site.af.run(site.af.recovery_codes.create(site.environment, user.id))
    await site.answer(enrolled, made.codes[0])
    await allow(site)
    await set_sender(site)
    await make(site, user)
    kinds = [kind for kind, _ in notices(site)]
    assert kinds == ["factor_added", "recovery_code_used", "trusted_device_created"]


async def test_changed_password_and_email_are_reported_to_the_old_address(site: Installation) -> None:
    user = await member(site)
    await change(site, user, first_name="Ann")
    await change(site, user, email=TO.upper())
    assert notices(site) == []
    await change(site, user, email="thief@example.com", password="eight green bottles")
    assert notices(site) == [("email_changed", TO.upper()), ("password_changed", TO.upper())]


async def test_unverified_address_gets_no_notice(site: Installation) -> None:
    user = await member(site, email_verified=False)
    enrolled = await site.enroll(user)
    await site.answer(enrolled, site.code(enrolled))
    await change(site, user, password="eight green bottles")
    assert notices(site) == []


async def test_events_cost_no_statement_more_without_a_sender(
    open_installation: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    site: Installation = await open_installation()
    user = await member(site)
    enrolled = await site.enroll(user)
    challenge = await site.challenge(enrolled)

    def refuse(_: Tx) -> None:
        raise AssertionError("a statement about messages")

    for name in ("messages", "senders", "send_limits"):
        monkeypatch.setattr(Tx, name, property(refuse))
    counted: list[str] = []
    table: Any = type(await site.af.read(_users))
    by_id = table.by_id

    async def counting(*given: Any) -> Any:  # noqa: ANN401 - as the method
        counted.append("by_id")
        return await by_id(*given)

    monkeypatch.setattr(table, "by_id", counting)
    assert (await site.verify(challenge, site.code(enrolled))).valid
    assert counted == []


async def _users(tx: Tx) -> Any:  # noqa: ANN401 - a table
    return tx.users


async def test_flood_of_changes_sends_ten_notices_an_hour_and_fails_none(site: Installation) -> None:
    user = await member(site)
    for number in range(12):
        await change(site, user, password=f"eight green bottles {number}")
    assert len(notices(site)) == 10
    site.clock.advance(3600)
    await change(site, user, password="nine green bottles")
    assert len(notices(site)) == 11


async def test_event_about_a_user_who_is_gone_is_kept_without_a_notice(site: Installation) -> None:
    user = await member(site)
    await site.af.run(site.af.users.delete(site.environment, user.id))

    async def append(tx: Tx) -> None:
        scope = Scope(tx, site.environment, site.clock())
        await site.af.events.append(scope, event_log.FACTOR_DELETED, user.id, {})

    before = notices(site)
    await site.af.run(append)
    assert (await site.events()).count(event_log.FACTOR_DELETED) == 1
    assert notices(site) == before
