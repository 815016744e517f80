"""The client sets a sender, tests it and lists messages, over both transports."""

import pytest

from authfactor import Client
from authfactor.client import NotFoundError, UnprocessableEntityError


def test_messages_through_the_client(client: Client) -> None:
    with pytest.raises(NotFoundError):
        client.messages.get_mail_sender()
    with pytest.raises(UnprocessableEntityError):
        client.messages.set_mail_sender("webhook", webhook={"url": "http://127.0.0.1/"})
    made = client.messages.set_mail_sender(
        "webhook", webhook={"url": "https://mail.invalid/"}, off=["magic_auth"], locale="de"
    )
    try:
        assert made.webhook is not None
        assert made.webhook["secret"] not in repr(made)
        found = client.messages.get_mail_sender()
        assert (found.kind, found.off, found.locale) == ("webhook", ["magic_auth"], "de")
        assert found.webhook == {"url": "https://mail.invalid/"}
        tested = client.messages.test_mail_sender("ann@example.com")
        assert not tested.sent
        assert tested.error
        assert list(client.messages.list_messages(state="sent")) == []
        with pytest.raises(NotFoundError):
            client.messages.get_message("message_01ZZZZZZZZZZZZZZZZZZZZZZZZ")
    finally:
        client.messages.delete_mail_sender()
