"""The console's pages of messages: a sender is set, tested and deleted, and codes stay hidden."""

import asyncio
from typing import Any, Final

from authfactor.models import PageQuery
from authfactor.rules.unit import Scope
from tests.support.console import HOME, Browser, Console

FORM: Final = {
    "kind": "console",
    "locale": "de",
    "kind:magic_auth": "1",
    "interval_seconds": "0",
    "per_hour": "5",
    "per_day": "10",
    "environment_per_hour": "100",
}
SMTP: Final = {
    **FORM,
    "kind": "smtp",
    "from_address": "no-reply@example.org",
    "host": "127.0.0.1",
    "port": "1",
    "security": "none",
    "username": "mailer",
    "password": "correct horse",
}
CODE: Final = "874391"


async def queue(console: Console) -> None:
    af, now = console.af, console.clock.now
    environment = await af.read(lambda tx: tx.environments.by_number(1))
    assert environment is not None
    unit: Any = lambda tx: af.messages.queue(  # noqa: E731 - a unit
        Scope(tx, environment, now), "magic_auth", to="ann@example.com", values={"code": CODE}
    )
    assert await af.run(unit)


async def sent(owner: Browser) -> str:
    """Wait until the server has sent the message; return the page of messages."""
    for _ in range(600):
        shown = (await owner.get(f"{HOME}/messages?state=sent")).text
        if "a***@example.com" in shown:
            return str(shown)
        await asyncio.sleep(0.05)
    raise AssertionError("the message was not sent")


async def test_sender_is_set_shown_without_its_password_and_deleted(console: Console, owner: Browser) -> None:
    assert "No sender" in (await owner.get(f"{HOME}/sender")).text
    saved = await owner.post(f"{HOME}/sender", SMTP)
    assert saved.status_code == 303
    shown = (await owner.get(f"{HOME}/sender")).text
    assert "no-reply@example.org" in shown
    assert "as stored" in shown
    assert "correct horse" not in shown
    found = await console.af.read(console.af.senders.get(console.one))
    assert (found.options.locale, len(found.options.off)) == ("de", 11)
    # The password stays for the same server, and is asked for again for another one.
    assert (await owner.post(f"{HOME}/sender", {**SMTP, "password": ""})).status_code == 303
    refused = await owner.post(f"{HOME}/sender", {**SMTP, "host": "localhost", "password": ""})
    assert refused.status_code == 422
    assert "smtp.password" in refused.text
    deleted = await owner.post(f"{HOME}/sender/delete", {"reason": "moved"})
    assert deleted.status_code == 303
    assert "No sender" in (await owner.get(f"{HOME}/sender")).text


async def test_wrong_forms_are_refused_and_keep_what_was_typed(console: Console, owner: Browser) -> None:
    for change, text in (
        ({"kind": "pigeon"}, "kind"),
        ({"per_hour": "many"}, "per_hour"),
        ({"from_address": "no-address"}, "from_address"),
        ({"port": "http"}, "port"),
    ):
        response = await owner.post(f"{HOME}/sender", {**SMTP, "from_name": "Kept", **change})
        assert (response.status_code, text) == (422, text)
        assert text in response.text
        assert "Kept" in response.text
    assert (await console.af.read(lambda tx: tx.senders.of_channel(1, "mail"))) is None


async def test_test_message_tells_why_it_was_not_sent(console: Console, owner: Browser) -> None:
    await owner.post(f"{HOME}/sender", SMTP)
    response = await owner.post(f"{HOME}/sender/test", {"to": "ann@example.com"})
    assert "Not sent: the server cannot be reached" in response.text
    await owner.post(f"{HOME}/sender", FORM)
    response = await owner.post(f"{HOME}/sender/test", {"to": "ann@example.com"})
    assert "has taken the test message" in response.text
    for _ in range(5):
        response = await owner.post(f"{HOME}/sender/test", {"to": "ann@example.com"})
    assert "Too many messages" in response.text


async def test_new_secret_of_a_webhook_is_shown_once(console: Console, owner: Browser) -> None:
    form = {**FORM, "kind": "webhook", "url": "https://app.example.org/mail"}
    assert "whsec_" in (await owner.post(f"{HOME}/sender", form)).text
    shown = (await owner.get(f"{HOME}/sender")).text
    assert "https://app.example.org/mail" in shown
    assert "whsec_" not in shown
    assert await console.af.read(lambda tx: tx.senders.of_channel(1, "mail"))


async def test_texts_are_shown_where_the_console_is_the_sender_alone(
    console: Console, owner: Browser
) -> None:
    await owner.post(f"{HOME}/sender", FORM)
    await queue(console)
    shown = await sent(owner)
    assert CODE in shown
    assert "ann@example.com" not in shown
    assert "No messages" in (await owner.get(f"{HOME}/messages?state=failed")).text
    page = await console.af.read(console.af.messages.page(console.one, PageQuery()))
    assert len(page.items) == 1
    damaged = "UPDATE messages SET content = 'v1:000000:AAAA'"
    await console.af.run(lambda tx: tx.db.run(damaged))
    assert CODE not in (await owner.get(f"{HOME}/messages")).text


async def test_code_that_waits_is_not_shown(console: Console, owner: Browser) -> None:
    await owner.post(f"{HOME}/sender", SMTP)
    await queue(console)
    shown = (await owner.get(f"{HOME}/messages")).text
    assert "a***@example.com" in shown
    assert CODE not in shown


async def test_preview_shows_the_text_in_a_language(console: Console, owner: Browser) -> None:
    shown = (await owner.get(f"{HOME}/sender/preview?kind=password_reset&locale=fr")).text
    assert "Réinitialisez votre" in shown
    assert "https://example.org/?token=EXAMPLE" in shown
    assert await console.af.read(lambda tx: tx.senders.of_channel(1, "mail")) is None


async def test_settings_that_do_not_open_can_be_set_again(console: Console, owner: Browser) -> None:
    await owner.post(f"{HOME}/sender", FORM)
    await console.af.run(lambda tx: tx.db.run("UPDATE senders SET settings = 'v1:000000:AAAA'"))
    assert "cannot be unsealed" in (await owner.get(f"{HOME}/sender")).text
    assert (await owner.post(f"{HOME}/sender", FORM)).status_code == 303
    assert "cannot be unsealed" not in (await owner.get(f"{HOME}/sender")).text
