"""What a sender of mail may be set to."""

from typing import Any

import msgspec
import pytest

from authfactor.errors import InvalidRequest
from authfactor.rules.messages.sender_checks import check, is_sendable
from authfactor.wire.senders import SetMailSender, SetMessageWebhook, SetSendLimits, SetSmtp

SMTP = SetMailSender(kind="smtp", from_address="no-reply@example.org", smtp=SetSmtp("mail.example.org"))
WEBHOOK = SetMailSender(kind="webhook", webhook=SetMessageWebhook("https://app.example.org/mail", "s" * 24))


def refused(request: SetMailSender, **allowed: bool) -> list[str]:
    options: dict[str, Any] = {"private_smtp": False, "private_webhooks": False, "development": False}
    try:
        check(request, **{**options, **allowed})
    except InvalidRequest as error:
        return [item.field for item in error.items]
    return []


def test_right_senders_are_taken() -> None:
    assert refused(SMTP) == refused(WEBHOOK) == []
    assert refused(SetMailSender(kind="console"), development=True) == []
    local = msgspec.structs.replace(SMTP, smtp=SetSmtp("::1", security="none"))
    assert refused(local, private_smtp=True) == []
    full = SetSmtp("mail.example.org", 2525, "starttls", "mailer", "correct horse")
    named = msgspec.structs.replace(SMTP, smtp=full, from_name="Größe & Co", reply_to="help@example.org")
    assert refused(named) == []


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (SetMailSender(), ["kind"]),
        (SetMailSender(kind="console"), ["kind"]),
        (SetMailSender(kind="smtp"), ["smtp", "from_address"]),
        (SetMailSender(kind="webhook", smtp=SetSmtp("mail.example.org")), ["smtp", "webhook"]),
        (msgspec.structs.replace(SMTP, from_address="a@b\r\nBcc: c@d"), ["from_address"]),
        (msgspec.structs.replace(SMTP, reply_to="a@b,c@d"), ["reply_to"]),
        (msgspec.structs.replace(SMTP, from_name="a\u2028b"), ["from_name"]),
        (msgspec.structs.replace(SMTP, from_name=" "), ["from_name"]),
        (msgspec.structs.replace(SMTP, smtp=SetSmtp("localhost")), ["smtp.host"]),
        (msgspec.structs.replace(SMTP, smtp=SetSmtp("a/b")), ["smtp.host"]),
        (msgspec.structs.replace(SMTP, smtp=SetSmtp("mail.example.org", 65_536)), ["smtp.port"]),
        (msgspec.structs.replace(SMTP, smtp=SetSmtp("mail.example.org", None, "none")), ["smtp.security"]),
        (
            msgspec.structs.replace(SMTP, smtp=SetSmtp("mail.example.org", username="a\nb", password="")),
            ["smtp.username", "smtp.password"],
        ),
        (
            SetMailSender(kind="webhook", webhook=SetMessageWebhook("http://app.example.org/")),
            ["webhook.url"],
        ),
        (
            SetMailSender(kind="webhook", webhook=SetMessageWebhook("https://app.example.org/", "short")),
            ["webhook.secret"],
        ),
        (msgspec.structs.replace(SMTP, locale="xx"), ["locale"]),
        (msgspec.structs.replace(SMTP, limits=SetSendLimits(-1, 0, 1001, 0)), ["limits.*"] * 4),
    ],
)
def test_wrong_senders_are_refused_by_name(request_: SetMailSender, fields: list[str]) -> None:
    found = ["limits.*" if field.startswith("limits.") else field for field in refused(request_)]
    assert found == fields


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        ("ann@example.com", True),
        ("änn+tag@exämple.com", True),
        ("ann@example.com, bo@example.com", False),
        ("Ann <ann@example.com>", False),
        ('"ann"@example.com', False),
        ("ann@example.com\r\nBcc: bo@example.com", False),
        ("ann", False),
    ],
)
def test_address_is_one_address(address: str, is_one: bool) -> None:
    assert is_sendable(address) == is_one
