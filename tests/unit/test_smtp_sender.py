"""Sending mail: to a real server, and to broken, slow and hostile ones."""

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from authfactor.models.messages import SendOutcome, SmtpSettings
from authfactor.outbound.smtp_sender import Mail, SmtpSender, compose
from tests.support.certificates import write_certificate
from tests.support.mail_server import PASSWORD, USERNAME, mail_server, scripted_server

pytestmark = pytest.mark.anyio

MAIL = Mail(
    "message_01",
    "no-reply@example.org",
    "Größe & Co",
    "help@example.org",
    "ann@example.com",
    "Ihr Code für Größe & Co",
    "Code: 123456\n",
    "<p>123456</p>",
    "de",
    1_700_000_000_000,
)


def server(port: int, **fields: Any) -> SmtpSettings:  # noqa: ANN401 - any field
    given = {"host": "localhost", "security": "none", "username": None, "password": None, "private": True}
    return SmtpSettings(port=port, **{**given, **fields})


async def send(settings: SmtpSettings, mail: Mail = MAIL, **options: Any) -> SendOutcome:  # noqa: ANN401 - any option
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    return await SmtpSender(**{"timeout": 20, "resolver": resolve, **options}).send(settings, mail)


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Trust a certificate of `localhost`, as an operator's own CA."""
    cert, key = write_certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


async def test_mail_arrives_as_text_and_html() -> None:
    async with mail_server() as box:
        assert await send(server(box.port)) == SendOutcome(None)
    (mail,) = box.mails
    assert mail["From"] == "Größe & Co <no-reply@example.org>"
    assert (mail["To"], mail["Reply-To"]) == ("ann@example.com", "help@example.org")
    assert mail["Subject"] == "Ihr Code für Größe & Co"
    assert mail["Message-ID"] == "<message_01@example.org>"
    assert mail["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    plain, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert page is not None
    assert plain.get_content().strip() == "Code: 123456"
    assert page.get_content().strip() == "<p>123456</p>"
    assert box.envelopes[0].rcpt_tos == ["ann@example.com"]
    assert box.envelopes[0].mail_from == "no-reply@example.org"


async def test_address_outside_ascii_arrives() -> None:
    async with mail_server() as box:
        assert await send(server(box.port), MAIL._replace(to="änn@example.com")) == SendOutcome(None)
    assert box.envelopes[0].rcpt_tos == ["änn@example.com"]


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_tls_is_used_and_signs_in(certificate: ssl.SSLContext, security: str) -> None:
    starttls = security == "starttls"
    async with mail_server(context=certificate, starttls=starttls, sign_in=True) as box:
        given = {"security": security, "username": USERNAME, "password": PASSWORD}
        assert await send(server(box.port, **given)) == SendOutcome(None)
    assert box.signed_in == [(USERNAME, PASSWORD)]
    assert len(box.mails) == 1


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_certificate_of_another_host_or_an_unknown_authority_is_refused(
    certificate: ssl.SSLContext, security: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mail_server(context=certificate, starttls=security == "starttls") as box:
        other = await send(server(box.port, security=security, host="mail.example.org"))
        monkeypatch.delenv("SSL_CERT_FILE")
        unknown = await send(server(box.port, security=security))
    assert other == unknown == SendOutcome("the server's certificate is not valid for this host")
    assert box.mails == []


async def test_server_without_starttls_gets_neither_password_nor_mail() -> None:
    async with mail_server(sign_in=True) as box:
        given = {"security": "starttls", "username": USERNAME, "password": PASSWORD}
        outcome = await send(server(box.port, **given))
    assert outcome.error == "the server does not offer STARTTLS, a sign-in, or addresses outside ASCII"
    assert (box.signed_in, box.mails) == ([], [])


async def test_plain_smtp_leaves_this_machine_never() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1", "192.0.2.1"]

    outcome = await send(server(25), resolver=resolve)
    assert outcome.error == "the host is not this machine, and mail would leave it without TLS"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
async def test_servers_own_network_is_refused_unless_an_operator_allowed_it(address: str) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["192.0.2.1", address]

    settings = server(465, security="tls", host="mail.example.org", private=False)
    outcome = await send(settings, resolver=resolve)
    assert outcome.error == "the host leads into the server's own network"


async def test_wrong_password_is_tried_again_later(certificate: ssl.SSLContext) -> None:
    async with mail_server(context=certificate, starttls=True, sign_in=True) as box:
        given = {"security": "starttls", "username": USERNAME, "password": "wrong"}
        outcome = await send(server(box.port, **given))
    assert outcome == SendOutcome("the server refused username or password (535)")


@pytest.mark.parametrize(("code", "final"), [(550, True), (451, False)])
async def test_refusals_are_final_if_their_code_is(code: int, final: bool) -> None:
    async with mail_server() as box:
        box.to_recipient = f"{code} no 123456"
        recipient = await send(server(box.port))
        box.to_recipient, box.to_data = "", f"{code} no 123456"
        data = await send(server(box.port))
    assert recipient == SendOutcome(f"the server refused the address ({code})", final=final)
    assert data == SendOutcome(f"the server refused the mail ({code})", final=final)


async def test_server_that_is_down_or_speaks_another_protocol() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert await send(server(free.getsockname()[1])) == SendOutcome("the server cannot be reached")
    for answer in (b"HTTP/1.1 400 Bad Request 123456\r\n\r\n", b"\0" * 100_000, b"250-\r\n" * 100_000):
        async with scripted_server(answer) as port:
            outcome = await send(server(port))
        assert outcome.error is not None
        assert not outcome.final
        assert "123456" not in outcome.error


async def test_slow_server_is_given_up() -> None:
    async with mail_server() as box:
        box.delay_seconds = 30
        outcome = await send(server(box.port), timeout=0.3)
    assert outcome == SendOutcome("the server did not take the mail within 0.3 s")
    async with scripted_server(b"") as port:
        outcome = await send(server(port), timeout=0.3)
    assert outcome == SendOutcome("the server did not take the mail within 0.3 s")


async def test_host_that_cannot_be_resolved() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        raise socket.gaierror

    assert await send(server(25), resolver=resolve) == SendOutcome("the host name cannot be resolved")

    async def nothing(_host: str, _port: int) -> list[str]:
        return []

    assert await send(server(25), resolver=nothing) == SendOutcome("the server cannot be reached")


@pytest.mark.parametrize(
    "change",
    [
        {"to": "ann@example.com\r\nBcc: eve@example.com"},
        {"to": "ann@example.com, eve@example.com"},
        {"sender": "a@example.org\nBcc: eve@example.com"},
        {"sender_name": "Acme\r\nBcc: eve@example.com"},
        {"subject": "Code\r\nBcc: eve@example.com"},
        {"subject": "Code\n\n<p>body</p>"},
        {"reply_to": "help@example.org\r\nBcc: eve@example.com"},
        {"id": "x>\r\nBcc: eve@example.com"},
        {"locale": "de\r\nBcc: eve@example.com"},
    ],
)
async def test_headers_cannot_be_added(change: dict[str, Any]) -> None:
    async with mail_server() as box:
        outcome = await send(server(box.port), MAIL._replace(**change))
    assert outcome == SendOutcome("the address or the subject cannot be used in mail", final=True)
    assert box.mails == []


def test_text_that_looks_like_the_end_of_a_mail_stays_text() -> None:
    content = compose(MAIL._replace(text="a\r\n.\r\nMAIL FROM:<eve@example.com>\r\n"))
    body = content.get_body(("plain",))
    assert body is not None
    assert "MAIL FROM" in body.get_content()


async def test_dot_in_the_text_does_not_end_the_mail() -> None:
    async with mail_server() as box:
        await send(server(box.port), MAIL._replace(text="a\n.\nMAIL FROM:<eve@example.com>\n"))
    assert len(box.mails) == 1
    body = box.mails[0].get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == ["a", ".", "MAIL FROM:<eve@example.com>"]


async def test_next_address_of_the_host_is_tried() -> None:
    async with mail_server() as box:

        async def resolve(_host: str, _port: int) -> list[str]:
            return ["127.0.0.2", "127.0.0.1"]

        assert await send(server(box.port), resolver=resolve) == SendOutcome(None)
    assert len(box.mails) == 1
