"""Messages on their way: sent once, sent again after a crash, given up in time, and never in a log."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from authfactor.message_dispatcher import send_messages_forever
from authfactor.message_sending import MessageSender
from authfactor.models.messages import MessageRecord
from authfactor.rules.events.deliveries import signature
from authfactor.rules.messages.outbox import LEASE
from authfactor.wire.senders import SetMailSender, SetMessageWebhook, SetSmtp
from tests.rules.test_message_outbox import TO, environment, only, queue
from tests.support.installation import Installation, Opener
from tests.support.mail_server import Mailbox, mail_server
from tests.support.webhook_receiver import Receiver, receiving

CODE = "874391"


@pytest.fixture
async def site(open_installation: Opener) -> Installation:
    opened: Installation = await open_installation(
        base_url="http://127.0.0.1:8080", webhook_private_addresses=True
    )
    return opened


@pytest.fixture
async def box(site: Installation) -> AsyncIterator[Mailbox]:
    async with mail_server() as found:
        smtp = SetSmtp("127.0.0.1", found.port, "none")
        await use(site, kind="smtp", from_address="no-reply@example.org", smtp=smtp)
        yield found


async def use(site: Installation, **fields: Any) -> None:  # noqa: ANN401 - any field
    await site.af.run(site.af.senders.set(site.environment, SetMailSender(**fields), by_operator=True))
    site.environment = await environment(site)


@contextlib.asynccontextmanager
async def dispatching(site: Installation, count: int = 1) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(send_messages_forever(site.af)) for _ in range(count)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - the database has no event to wait for
            await asyncio.sleep(0.01)


async def settled_message(site: Installation, state: str = "sent") -> MessageRecord:
    async def is_settled() -> bool:
        return (await only(site)).state == state

    await until(is_settled)
    return await only(site)


async def test_code_is_mailed_with_branding_and_language_and_then_erased(
    site: Installation, box: Mailbox
) -> None:
    async with dispatching(site):
        await queue(site, values={"code": CODE}, locale="de-AT", expires_at=site.clock.now + 600_000)
        message = await settled_message(site)
    (mail,) = box.mails
    assert mail["Subject"] == "Ihr Anmeldecode für Acme"
    assert mail["Message-ID"] == f"<{message.id}@example.org>"
    body = mail.get_body(("plain",))
    assert body is not None
    assert CODE in body.get_content()
    assert "10 Minuten" in body.get_content()
    assert (message.content, message.attempts, message.last_error) == (None, 1, None)
    assert await site.events() == ["authfactor.message_sent"]
    assert site.af.messages.sent == {("mail", "magic_auth", "sent"): 1}


async def test_several_processes_send_each_message_once(site: Installation, box: Mailbox) -> None:
    for number in range(12):
        await queue(site, to=f"ann{number}@example.com")

    async def all_sent() -> bool:
        return site.sql("SELECT count(*) FROM messages WHERE state = 'sent'") == [(12,)]

    async with dispatching(site, count=4):
        await until(all_sent)
    assert len(box.mails) == len({mail["To"] for mail in box.mails}) == 12


async def test_process_killed_between_sending_and_marking_sends_again_with_the_same_id(
    site: Installation, box: Mailbox
) -> None:
    await queue(site, values={"code": CODE})
    (claimed,) = await site.af.run(site.af.messages.claim(0, {}, 8))
    # Killed here: the mail has been sent, and nothing says so.
    assert (await MessageSender(site.af).send(claimed)).error is None
    async with dispatching(site):
        await asyncio.sleep(0.05)
        assert len(box.mails) == 1
        site.clock.advance(LEASE // 1000)
        site.af.messages.grew.set()
        await settled_message(site)
    assert len({mail["Message-ID"] for mail in box.mails}) == 1
    assert len(box.mails) == 2


async def test_message_canceled_while_it_waits_is_not_sent(site: Installation, box: Mailbox) -> None:
    await queue(site, reference="magic_auth_1")
    site.sql("UPDATE messages SET state = 'canceled', content = NULL")
    async with dispatching(site):
        site.af.messages.grew.set()
        await asyncio.sleep(0.1)
    assert box.mails == []


async def test_refusal_of_the_address_ends_it_and_server_text_is_stored_nowhere(
    site: Installation, box: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    box.to_data = f"554 rejected: your code {CODE}"
    async with dispatching(site):
        await queue(site, values={"code": CODE})
        message = await settled_message(site, "failed")
    assert (message.last_error, message.content) == ("the server refused the mail (554)", None)
    assert CODE.encode() not in site.files()
    ours = [record.getMessage() for record in caplog.records if record.name != "mail.log"]
    assert CODE not in str(ours)
    (data,) = site.sql("SELECT data FROM events")
    assert json.loads(str(data[0])) == {
        "message_id": message.id,
        "user_id": None,
        "channel": "mail",
        "kind": "magic_auth",
        "to": "a***@example.com",
        "error": "the server refused the mail (554)",
    }
    assert site.af.messages.sent == {("mail", "magic_auth", "failed"): 1}


async def test_server_that_is_down_gets_the_mail_when_it_is_back(site: Installation, box: Mailbox) -> None:
    box.to_recipient = "451 later"
    async with dispatching(site):
        await queue(site)

        async def tried() -> bool:
            return (await only(site)).attempts == 1

        await until(tried)
        box.to_recipient = ""
        site.clock.advance(1)
        site.af.messages.grew.set()
        assert (await settled_message(site)).attempts == 2
    assert len(box.mails) == 1


async def test_slow_server_of_one_environment_does_not_hold_back_another(
    site: Installation, box: Mailbox
) -> None:
    for number in range(40):
        await queue(site, to=f"ann{number}@example.com")
    slow, site.environment = site.environment, site.other
    box.delay_seconds = 3600
    async with mail_server() as fast, dispatching(site):
        smtp = SetSmtp("127.0.0.1", fast.port, "none")
        await use(site, kind="smtp", from_address="no-reply@example.org", smtp=smtp)
        site.af.messages.grew.set()
        await queue(site)
        await settled_message(site)
        assert len(fast.mails) == 1
        box.delay_seconds = 0
        assert slow != site.environment
        for task in asyncio.all_tasks():
            if "MessageDispatcher._deliver" in repr(task.get_coro()):
                task.cancel()


async def test_message_past_its_end_is_not_sent(site: Installation, box: Mailbox) -> None:
    await queue(site, expires_at=site.clock.now + 1000)
    site.clock.advance(2)
    async with dispatching(site):
        site.af.messages.grew.set()
        message = await settled_message(site, "expired")
    assert (message.last_error, message.attempts) == ("it could not be sent in time", 0)
    assert box.mails == []


async def test_settings_that_were_swapped_in_the_database_send_nothing(
    site: Installation, box: Mailbox
) -> None:
    smtp = SetSmtp("127.0.0.1", 1, "none")
    request = SetMailSender(kind="smtp", from_address="eve@example.org", smtp=smtp)
    await site.af.run(site.af.senders.set(site.other, request, by_operator=True))
    site.sql("UPDATE senders SET settings = (SELECT settings FROM senders WHERE environment = 2)")
    await queue(site)
    async with dispatching(site):

        async def refused() -> bool:
            return (await only(site)).last_error is not None

        await until(refused)
    message = await only(site)
    assert (message.state, message.attempts) == ("pending", 0)
    assert "cannot be unsealed" in str(message.last_error)
    assert box.mails == []


@pytest.fixture
def receiver() -> Any:  # noqa: ANN401 - a generator
    with receiving() as found:
        yield found


async def test_webhook_gets_the_message_signed(site: Installation, receiver: Receiver) -> None:
    secret = "s" * 24
    await use(site, kind="webhook", webhook=SetMessageWebhook(receiver.url, secret))
    async with dispatching(site):
        await queue(site, values={"code": CODE}, user_id="user_1", expires_at=site.clock.now + 600_000)
        message = await settled_message(site)
    (request,) = receiver.received
    sent_at = int(request.headers["workos-signature"].split(",")[0].removeprefix("t="))
    assert request.headers["workos-signature"] == signature(secret, sent_at, request.body)
    body = json.loads(request.body)
    text, _, _ = body.pop("message"), body.pop("html"), body.pop("subject")
    assert body.pop("expires_at").endswith("Z")
    assert CODE in text
    assert body == {
        "id": message.id,
        "channel": "mail",
        "kind": "magic_auth",
        "to": TO,
        "code": CODE,
        "url": None,
        "locale": "en",
        "user_id": "user_1",
    }


async def test_webhook_keeps_its_secret_until_its_url_changes(site: Installation) -> None:
    hook = SetMailSender(kind="webhook", webhook=SetMessageWebhook("https://app.example.org/mail"))
    first = await site.af.run(site.af.senders.set(site.environment, hook))
    assert first.new_secret
    again = await site.af.run(site.af.senders.set(site.environment, hook))
    assert (again.new_secret, again.settings) == (None, first.settings)
    other = SetMailSender(kind="webhook", webhook=SetMessageWebhook("https://app.example.org/other"))
    assert (await site.af.run(site.af.senders.set(site.environment, other))).new_secret not in {
        None,
        first.new_secret,
    }


async def test_webhook_that_refuses_is_tried_again(site: Installation, receiver: Receiver) -> None:
    await use(site, kind="webhook", webhook=SetMessageWebhook(receiver.url))
    receiver.status, receiver.answer = 500, CODE.encode()
    async with dispatching(site):
        await queue(site, values={"code": CODE})

        async def tried() -> bool:
            return (await only(site)).attempts == 1

        await until(tried)
        assert (await only(site)).last_error == "the receiver responded with 500"
        receiver.status = 204
        site.clock.advance(1)
        site.af.messages.grew.set()
        await settled_message(site)


async def test_webhook_into_the_servers_own_network_is_refused_when_it_is_sent(
    open_installation: Opener, site: Installation, receiver: Receiver
) -> None:
    await use(site, kind="webhook", webhook=SetMessageWebhook(receiver.url))
    strict: Installation = await open_installation(base_url="http://127.0.0.1:8080")
    await queue(site)
    (claimed,) = await strict.af.run(strict.af.messages.claim(0, {}, 8))
    outcome = await MessageSender(strict.af).send(claimed)
    assert outcome.error == "the URL must start with https://"
    assert receiver.received == []


async def test_console_keeps_and_logs_what_was_sent_in_development_alone(
    open_installation: Opener, site: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await use(site, kind="console")
    async with dispatching(site):
        await queue(site, values={"code": CODE})
        message = await settled_message(site)
    assert site.af.messages.values_of(site.environment.number, message) == {"code": CODE}
    assert f"message to {TO}" in caplog.text
    assert CODE in caplog.text

    caplog.clear()
    production: Installation = await open_installation(base_url="https://auth.example.org")
    await queue(site, "password_reset")
    (claimed,) = await production.af.run(production.af.messages.claim(0, {}, 8))
    outcome = await MessageSender(production.af).send(claimed)
    assert (outcome.error, outcome.final, outcome.kept) == (
        "the sender is for development alone",
        True,
        False,
    )
    assert caplog.text == ""


async def test_message_without_a_sender_fails(site: Installation, box: Mailbox) -> None:
    await queue(site)
    site.sql("DELETE FROM senders")
    async with dispatching(site):
        message = await settled_message(site, "failed")
    assert message.last_error == "the environment has no sender of mail"
    assert box.mails == []


async def test_recipient_that_could_add_a_header_is_refused(site: Installation, box: Mailbox) -> None:
    await queue(site, to="ann@example.com\r\nBcc: eve@example.com")
    async with dispatching(site):
        message = await settled_message(site, "failed")
    assert message.last_error == "the address cannot be used in mail"
    assert box.mails == []


async def test_test_message_is_sent_at_once_and_leaves_no_row(site: Installation, box: Mailbox) -> None:
    set_up = await site.af.read(site.af.senders.get(site.environment))
    sender = MessageSender(site.af)
    assert (await sender.send_test(site.environment, None, set_up, TO)).error is None
    assert box.mails[0]["Subject"] == "Test message from Acme"
    assert site.sql("SELECT * FROM messages") == []
    await sender.close()
