"""A real SMTP server on loopback, which can refuse, be slow, and speak TLS."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

USERNAME, PASSWORD = "mailer", "correct horse"


class Mailbox:
    """What an SMTP server has received, and how it answers."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.port = 0
        # Answers instead of the usual ones.
        self.to_recipient = ""
        self.to_data = ""
        self.delay_seconds = 0.0
        self.delay_after_data_seconds = 0.0
        self.signed_in: list[tuple[str, str]] = []

    async def handle_RCPT(  # noqa: N802 - the library's name
        self,
        _server: SMTP,
        _session: Any,  # noqa: ANN401 - the library's
        envelope: Envelope,
        to: str,
        _options: Any,  # noqa: ANN401 - the library's
    ) -> str:
        if self.to_recipient:
            return self.to_recipient
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: ANN401, N802 - the library's name
        await asyncio.sleep(self.delay_seconds)
        if self.to_data:
            return self.to_data
        content = cast("bytes", envelope.original_content)
        self.mails.append(message_from_bytes(content, policy=policy.default))
        self.envelopes.append(envelope)
        await asyncio.sleep(self.delay_after_data_seconds)
        return "250 OK"

    def authenticate(
        self,
        _server: SMTP,
        _session: Any,  # noqa: ANN401 - the library's
        _envelope: Envelope,
        _mechanism: str,
        data: LoginPassword,
    ) -> AuthResult:
        given = data.login.decode(), data.password.decode()
        self.signed_in.append(given)
        return AuthResult(success=given == (USERNAME, PASSWORD), handled=False)


@contextlib.asynccontextmanager
async def mail_server(
    *, context: ssl.SSLContext | None = None, starttls: bool = False, sign_in: bool = False
) -> AsyncIterator[Mailbox]:
    """Serve on a free loopback port: plain, TLS from the first byte (`context` alone), or STARTTLS."""
    box = Mailbox()
    options: dict[str, Any] = {"hostname": "mail.test", "enable_SMTPUTF8": True}
    if starttls:
        options |= {"tls_context": context, "require_starttls": True}
    if sign_in:
        options |= {
            "authenticator": box.authenticate,
            "auth_required": starttls,
            "auth_require_tls": starttls,
        }
    loop = asyncio.get_running_loop()
    transports: list[asyncio.Transport] = []

    class Recorded(SMTP):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(cast("asyncio.Transport", transport))
            super().connection_made(transport)

    def accept() -> SMTP:
        return Recorded(box, loop=loop, **options)

    server = await loop.create_server(accept, "127.0.0.1", 0, ssl=None if starttls else context)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        for transport in transports:
            transport.abort()
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def scripted_server(answer: bytes) -> AsyncIterator[int]:
    """Serve what a broken or hostile server says to everything, from the first byte; yields the port."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            writer.write(answer)
            await writer.drain()
            while await reader.readline():
                writer.write(answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0)
