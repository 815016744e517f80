"""Messages: queued with what they are about, sealed, limited, and claimed by one process at a time."""

import asyncio
import contextlib
from typing import Any, Final

import msgspec
import pytest

from authfactor import errors
from authfactor.crypto.vault import UnsealError
from authfactor.models import Environment, PageQuery, SendLimits
from authfactor.models.messages import ClaimedMessage, MessageRecord, SendOutcome
from authfactor.rules.messages.outbox import LEASE, settled
from authfactor.rules.unit import Scope
from authfactor.wire.senders import SetMailSender, SetSendLimits
from tests.support.installation import Installation, Opener

DAY: Final = 24 * 3600 * 1000
TO: Final = "ann@example.com"


@pytest.fixture
async def site(open_installation: Opener) -> Installation:
    """Open an installation whose messages are shown on the console."""
    opened: Installation = await open_installation(base_url="http://127.0.0.1:8080")
    await set_sender(opened)
    return opened


async def set_sender(site: Installation, **fields: Any) -> None:  # noqa: ANN401 - any field
    request = SetMailSender(kind="console", **fields)
    await site.af.run(site.af.senders.set(site.environment, request))
    site.environment = await environment(site)


async def environment(site: Installation) -> Environment:
    number = site.environment.number
    found = await site.af.read(lambda tx: tx.environments.by_number(number))
    assert found is not None
    return found


async def queue(site: Installation, kind: Any = "magic_auth", **fields: Any) -> bool:  # noqa: ANN401 - any field
    fields = {"to": TO, "values": {"code": "123456"}, **fields}
    now, within = site.clock.now, site.environment
    return await site.af.run(lambda tx: site.af.messages.queue(Scope(tx, within, now), kind, **fields))


async def claim(site: Installation, limit: int = 8) -> list[ClaimedMessage]:
    return await site.af.run(site.af.messages.claim(0, {}, limit))


async def settle(site: Installation, claimed: ClaimedMessage, error: str | None = None, **how: bool) -> bool:
    return await site.af.run(site.af.messages.settle(claimed, SendOutcome(error, **how)))


async def only(site: Installation) -> MessageRecord:
    page = await site.af.read(site.af.messages.page(site.environment, PageQuery()))
    (message,) = page.items
    return message


async def test_nothing_is_queued_without_a_sender(open_installation: Opener) -> None:
    site: Installation = await open_installation()
    assert not await queue(site)
    assert site.sql("SELECT * FROM messages") == site.sql("SELECT * FROM send_limits") == []


async def test_kind_that_is_switched_off_is_not_queued(site: Installation) -> None:
    await set_sender(site, off=["magic_auth"])
    assert not await queue(site)
    assert await queue(site, "email_verification")


async def test_values_are_sealed_until_sent_and_then_erased(site: Installation) -> None:
    assert await queue(site, values={"code": "874391"})
    assert b"874391" not in site.files()
    (claimed,) = await claim(site)
    assert site.af.messages.values_of(site.environment.number, claimed.message) == {"code": "874391"}
    await settle(site, claimed)
    message = await only(site)
    assert (message.state, message.content) == ("sent", None)
    assert site.af.messages.values_of(site.environment.number, message) == {}


async def test_values_moved_to_another_message_do_not_open(site: Installation) -> None:
    await queue(site, values={"code": "874391"})
    await queue(site, "password_reset", to="eve@example.com")
    site.sql("UPDATE messages SET content = (SELECT content FROM messages WHERE recipient = ?)", TO)
    moved = next(each for each in await claim(site) if each.message.recipient != TO)
    with pytest.raises(UnsealError):
        site.af.messages.values_of(site.environment.number, moved.message)


async def test_rolled_back_unit_queues_and_charges_nothing(site: Installation) -> None:
    now = site.clock.now

    async def fails(tx: Any) -> None:  # noqa: ANN401 - a transaction
        scope = Scope(tx, site.environment, now)
        assert await site.af.messages.queue(scope, "magic_auth", to=TO, values={"code": "123456"})
        raise errors.Forbidden("no")

    with pytest.raises(errors.Forbidden):
        await site.af.run(fails)
    assert site.sql("SELECT * FROM messages") == site.sql("SELECT * FROM send_limits") == []


async def test_second_of_a_kind_waits_half_a_minute(site: Installation) -> None:
    await queue(site)
    with pytest.raises(errors.SendLimitReached) as refused:
        await queue(site)
    assert (refused.value.scope, refused.value.retry_at) == ("address", site.clock.now + 30_000)
    assert await queue(site, "email_verification")
    site.clock.advance(30)
    assert await queue(site)


async def test_fifty_at_once_queue_one(site: Installation) -> None:
    results = await asyncio.gather(
        *(queue(site, user_id="user_1") for _ in range(50)), return_exceptions=True
    )
    assert results.count(True) == 1
    assert all(result is True or isinstance(result, errors.SendLimitReached) for result in results)
    assert site.sql("SELECT count(*) FROM messages") == [(1,)]


async def test_five_an_hour_and_ten_a_day_to_one_address_however_it_is_written(site: Installation) -> None:
    start, sent = site.clock.now, []
    for minute in range(0, 26 * 60, 2):
        site.clock.now = start + minute * 60_000
        with contextlib.suppress(errors.SendLimitReached):
            await queue(site, to=TO.upper() if minute % 4 else TO)
            sent.append(minute)
    day = [*range(0, 10, 2), *range(60, 70, 2)]
    assert sent == [*day, *(24 * 60 + minute for minute in day)]


async def test_refusal_says_when_the_hour_and_the_day_end(site: Installation) -> None:
    start = site.clock.now
    for minute in (0, 1, 2, 3, 4, 60, 61, 62, 63, 64):
        site.clock.now = start + minute * 60_000
        await queue(site)
        if minute in {4, 64}:
            with pytest.raises(errors.SendLimitReached) as refused:
                await queue(site)
            assert refused.value.retry_at == start + (3_600_000 if minute == 4 else DAY)


async def test_hour_ends_for_all_kinds(site: Installation) -> None:
    start = site.clock.now
    for kind in ("email_verification", "magic_auth", "password_reset", "email_change", "invitation"):
        await queue(site, kind)
    with pytest.raises(errors.SendLimitReached) as refused:
        await queue(site, "one_time_code")
    assert refused.value.retry_at == start + 3_600_000


async def test_test_message_counts_and_needs_an_address(site: Installation) -> None:
    with pytest.raises(errors.InvalidRequest):
        await site.af.run(site.af.messages.charge_test(site.environment, "a@example.com, b@example.com"))
    await site.af.run(site.af.messages.charge_test(site.environment, TO))
    with pytest.raises(errors.SendLimitReached):
        await site.af.run(site.af.messages.charge_test(site.environment, TO))


async def test_user_is_limited_over_addresses(site: Installation) -> None:
    for number in range(5):
        await queue(site, "email_change", to=f"ann{number}@example.com", user_id="user_1")
        site.clock.advance(30)
    with pytest.raises(errors.SendLimitReached) as refused:
        await queue(site, "email_change", to="ann9@example.com", user_id="user_1")
    assert refused.value.scope == "user"
    assert await queue(site, "email_change", to="ann9@example.com", user_id="user_2")


async def test_environment_is_limited_over_addresses_and_can_say_how(site: Installation) -> None:
    await set_sender(site, limits=SetSendLimits(environment_per_hour=3))
    for number in range(3):
        await queue(site, to=f"ann{number}@example.com")
    with pytest.raises(errors.SendLimitReached) as refused:
        await queue(site, to="ann9@example.com")
    assert (refused.value.scope, refused.value.retry_at) == ("environment", site.clock.now + 3_600_000)
    # What was refused has charged no other limit.
    assert site.sql("SELECT count(*) FROM send_limits") == [(4,)]


async def test_limits_hold_over_a_clock_that_is_set_back_a_little_and_end_after_a_large_jump(
    site: Installation,
) -> None:
    await queue(site)
    site.clock.advance(-10)
    with pytest.raises(errors.SendLimitReached):
        await queue(site)
    site.clock.advance(-400 * 24 * 3600)
    assert await queue(site)


async def test_notices_and_codes_do_not_use_up_each_other(site: Installation) -> None:
    for _ in range(10):
        assert await queue(site, "factor_added", user_id="user_1", values={})
    assert not await queue(site, "factor_removed", user_id="user_1", values={})
    assert await queue(site, user_id="user_1")
    for _ in range(10):
        site.clock.advance(3600)
        await queue(site, "password_reset", user_id="user_2", to="bo@example.com")
    assert await queue(site, "factor_removed", user_id="user_2", values={})


async def test_each_message_is_claimed_once_by_fifty_processes(site: Installation) -> None:
    for number in range(4):
        await queue(site, to=f"ann{number}@example.com")
    claims = await asyncio.gather(*(claim(site, limit=2) for _ in range(50)))
    claimed = [each.message.id for found in claims for each in found]
    assert len(claimed) == len(set(claimed)) == 4


async def test_claim_of_a_process_that_died_expires_and_its_late_outcome_changes_nothing(
    site: Installation,
) -> None:
    await queue(site)
    (first,) = await claim(site)
    assert await claim(site) == []
    site.clock.advance(LEASE // 1000)
    (second,) = await claim(site)
    assert second.message.id == first.message.id
    assert not await settle(site, first, "late")
    assert await settle(site, second)
    assert (await only(site)).state == "sent"


async def test_claim_from_before_the_clock_was_set_back_does_not_hold_a_message(site: Installation) -> None:
    await queue(site)
    await claim(site)
    site.clock.advance(-24 * 3600)
    site.sql("UPDATE messages SET due_at = ?", site.clock.now)
    assert len(await claim(site)) == 1


async def test_canceled_message_is_neither_claimed_nor_settled(site: Installation) -> None:
    await queue(site, reference="magic_auth_1")
    await queue(site, "password_reset", reference="password_reset_1")
    claimed = {each.message.reference: each for each in await claim(site)}
    now = site.clock.now
    unit = lambda tx: site.af.messages.cancel(Scope(tx, site.environment, now), "magic_auth_1")  # noqa: E731 - a unit
    assert await site.af.run(unit) == 1
    assert await site.af.run(unit) == 0
    assert not await settle(site, claimed["magic_auth_1"])
    rows = site.sql("SELECT reference, state, content IS NULL FROM messages ORDER BY id")
    assert [(name, state, bool(erased)) for name, state, erased in rows] == [
        ("magic_auth_1", "canceled", True),
        ("password_reset_1", "pending", False),
    ]


async def test_reference_of_another_environment_cancels_nothing(site: Installation) -> None:
    await queue(site, reference="magic_auth_1")
    now = site.clock.now
    canceled = await site.af.run(
        lambda tx: site.af.messages.cancel(Scope(tx, site.other, now), "magic_auth_1")
    )
    assert canceled == 0
    assert len(await claim(site)) == 1


async def test_attempts_come_after_1_5_15_and_60_seconds_and_never_past_the_end(site: Installation) -> None:
    start = site.clock.now
    await queue(site, expires_at=start + 200_000)
    tried = []
    for second in range(400):
        site.clock.now = start + second * 1000
        for claimed in await claim(site):
            tried.append(second)
            await settle(site, claimed, "the server cannot be reached")
    assert tried == [0, 1, 5, 15, 60, 180]
    message = await only(site)
    assert (message.state, message.content, message.attempts) == ("expired", None, 6)
    assert (await site.events())[-1] == "authfactor.message_failed"


async def test_final_refusal_is_not_tried_again(site: Installation) -> None:
    await queue(site)
    (claimed,) = await claim(site)
    await settle(site, claimed, "the server refused the address", final=True)
    message = await only(site)
    assert (message.state, message.content) == ("failed", None)
    assert message.last_error == "the server refused the address"


async def test_message_that_is_too_late_is_not_counted_as_an_attempt(site: Installation) -> None:
    await queue(site, expires_at=site.clock.now + 1000)
    message = await only(site)
    result = settled(message, SendOutcome("too late", final=True, tried=False), message.expires_at)
    assert (result.state, result.attempts) == ("expired", 0)


async def test_deleting_the_sender_stops_what_is_waiting(site: Installation) -> None:
    await queue(site)
    await site.af.run(site.af.senders.delete(site.environment))
    message = await only(site)
    assert (message.state, message.content, message.last_error) == ("failed", None, "the sender was deleted")
    site.environment = await environment(site)
    assert not await queue(site)
    with pytest.raises(errors.NotFound):
        await site.af.run(site.af.senders.delete(site.environment))


async def test_user_is_deleted_with_messages(site: Installation) -> None:
    user = await site.user(TO)
    await queue(site, user_id=user.id)
    await site.af.run(site.af.users.delete(site.environment, user.id))
    assert site.sql("SELECT * FROM messages") == []


async def test_messages_of_another_environment_are_unknown(site: Installation) -> None:
    await queue(site)
    message = await only(site)
    with pytest.raises(errors.NotFound):
        await site.af.read(site.af.messages.get(site.other, message.id))
    assert (await site.af.read(site.af.messages.page(site.other, PageQuery()))).items == []
    with pytest.raises(errors.InvalidRequest):
        await site.af.read(site.af.messages.page(site.other, PageQuery(after=message.id)))
    assert await site.af.read(site.af.messages.get(site.environment, message.id)) == message


async def test_claims_of_two_environments_take_turns(site: Installation) -> None:
    first, other = site.environment, site.other
    for number in range(3):
        await queue(site, to=f"ann{number}@example.com")
    site.environment = other
    await set_sender(site)
    await queue(site)
    claimed = await site.af.run(site.af.messages.claim(first.number, {}, 2))
    assert [each.environment.number for each in claimed] == [other.number, first.number]
    assert not await site.af.read(site.af.messages.any_due()) or len(await claim(site)) == 2
    assert not await site.af.read(site.af.messages.any_due())


def test_limits_have_the_documented_defaults() -> None:
    assert SendLimits() == SendLimits(30, 5, 10, 100)
    assert msgspec.json.encode(SendLimits()) == b"{}"
