"""Send mail over SMTP to exactly the addresses that were checked, with TLS, within a time limit (RFC 5321).

A failure is described by this server's words and the response's code: the other server's text may repeat what
was sent.
"""

import asyncio
import contextlib
import ipaddress
import re
import socket
import ssl
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final, NamedTuple

import aiosmtplib
from aiosmtplib import errors as smtp

from authfactor.models.messages import SendOutcome, SmtpSettings
from authfactor.outbound import ssrf_guard
from authfactor.outbound.ssrf_guard import ForbiddenUrl
from authfactor.outbound.webhook_sender import MAX_ADDRESSES, Resolver, resolve

# One address, and nothing that would end it or begin another (RFC 5322 section 3.4).
_PART: Final = r"[^\s<>,;:\"()\\\[\]@\x00-\x1f\x7f-\x9f]+"
_ADDRESS: Final = re.compile(f"{_PART}@{_PART}")
_NOT_OFFERED: Final = "the server does not offer STARTTLS, a sign-in, or addresses outside ASCII"
_CERTIFICATE: Final = "the server's certificate is not valid for this host"
# The first that fits.
_FAILURES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (smtp.SMTPDataError, "the server refused the mail"),
    (smtp.SMTPAuthenticationError, "the server refused username or password"),
    (smtp.SMTPSenderRefused, "the server refused the sender's address"),
    (smtp.SMTPNotSupported, _NOT_OFFERED),
    (socket.gaierror, "the host name cannot be resolved"),
    (ssl.SSLCertVerificationError, _CERTIFICATE),
    (ssl.SSLError, "the server does not speak TLS on this port"),
    (smtp.SMTPResponseException, "the server did not go on"),
    (smtp.SMTPException, "the server closed the connection or did not speak SMTP"),
    (OSError, "the server cannot be reached"),
    (Exception, "the server's host name or address cannot be used"),
)
# RFC 5321 section 4.2.1: the same command will fail again.
_PERMANENT: Final = range(500, 600)


class Mail(NamedTuple):
    """What is sent: `sent_at` in milliseconds; `id` stays the same when it is sent again."""

    id: str
    sender: str
    sender_name: str
    reply_to: str | None
    to: str
    subject: str
    text: str
    html: str
    locale: str
    sent_at: int


class SmtpSender:
    """Sends mail. Every failure is a `SendOutcome`, never an exception."""

    def __init__(self, *, timeout: float, resolver: Resolver = resolve) -> None:
        """`timeout` limits everything about one mail, in seconds."""
        self._timeout_seconds = timeout
        self._resolve = resolver
        # Reads the operator's CAs from SSL_CERT_FILE.
        self._tls = ssl.create_default_context()

    async def send(self, server: SmtpSettings, mail: Mail) -> SendOutcome:
        """Send one mail on a connection of its own."""
        try:
            content = compose(mail)
        except (ValueError, UnicodeError):
            return SendOutcome("the address or the subject cannot be used in mail", final=True)
        try:
            async with asyncio.timeout(self._timeout_seconds), contextlib.AsyncExitStack() as stack:
                client = await self._connect(server, mail, stack)
                await client.send_message(content, sender=mail.sender, recipients=[mail.to])
                # The server has the mail: what follows changes nothing.
                with contextlib.suppress(smtp.SMTPException, OSError, TimeoutError):
                    await client.quit(timeout=1)
        except (TimeoutError, smtp.SMTPTimeoutError):
            return SendOutcome(f"the server did not take the mail within {self._timeout_seconds:g} s")
        except ForbiddenUrl as refusal:
            return SendOutcome(f"the host {refusal}")
        except (smtp.SMTPException, OSError, UnicodeError, ValueError) as failure:
            return _outcome_of(failure)
        return SendOutcome(None)

    async def _connect(
        self, server: SmtpSettings, mail: Mail, stack: contextlib.AsyncExitStack
    ) -> aiosmtplib.SMTP:
        """Connect, start TLS and sign in; the stack closes the connection."""
        connected = await self._open(server)
        client = aiosmtplib.SMTP(
            hostname=server.host,
            sock=connected,
            # Else the library asks DNS for this machine's name, or tells it.
            local_hostname=mail.sender.rpartition("@")[2].encode("idna").decode("ascii"),
            use_tls=server.security == "tls",
            # Required, not opportunistic: an attacker on the path must not be able to remove it.
            start_tls=server.security == "starttls",
            username=server.username,
            password=server.password,
            tls_context=self._tls,
            timeout=self._timeout_seconds,
        )
        stack.callback(_abort, client)
        try:
            await client.connect()
        except ValueError:  # before the connection was handed over
            connected.close()
            raise
        return client

    async def _open(self, server: SmtpSettings) -> socket.socket:
        """Connect to the first address that accepts. Raises `ForbiddenUrl` unless every one is allowed."""
        texts = await self._resolve(server.host, server.port)
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
        if not server.private and not all(ssrf_guard.is_public(address) for address in addresses):
            raise ForbiddenUrl("leads into the server's own network")
        if server.security == "none" and not all(address.is_loopback for address in addresses):
            raise ForbiddenUrl("is not this machine, and mail would leave it without TLS")
        failure = OSError("the host has no address")
        seconds = self._timeout_seconds / max(len(addresses[:MAX_ADDRESSES]), 1)
        for address in addresses[:MAX_ADDRESSES]:
            family = socket.AF_INET6 if address.version == 6 else socket.AF_INET  # noqa: PLR2004 - IPv6
            connecting = socket.socket(family, socket.SOCK_STREAM)
            connecting.setblocking(False)  # noqa: FBT003 - the standard library's
            try:
                async with asyncio.timeout(seconds):
                    await asyncio.get_running_loop().sock_connect(connecting, (str(address), server.port))
            except BaseException as error:
                connecting.close()
                if not isinstance(error, OSError):
                    raise
                failure = error
            else:
                return connecting
        raise failure


def _abort(client: aiosmtplib.SMTP) -> None:
    """Close a connection without waiting for a server that reads nothing."""
    if isinstance(client.transport, asyncio.WriteTransport):
        client.transport.abort()
    client.close()


def compose(mail: Mail) -> EmailMessage:
    """Build the mail: text with an HTML alternative. Raises `ValueError` for what could begin a header."""
    given = mail.sender, mail.to, *([] if mail.reply_to is None else [mail.reply_to])
    if not all(_ADDRESS.fullmatch(address) for address in given):
        raise ValueError("not an address")
    message = EmailMessage(policy=policy.SMTP if "".join(given).isascii() else policy.SMTPUTF8)
    message["From"] = _address(mail.sender, mail.sender_name)
    message["To"] = _address(mail.to)
    if mail.reply_to is not None:
        message["Reply-To"] = _address(mail.reply_to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(mail.sent_at / 1000, UTC))
    message["Message-ID"] = f"<{mail.id}@{mail.sender.rpartition('@')[2].encode('idna').decode('ascii')}>"
    message["Content-Language"] = mail.locale
    # RFC 3834: no automatic replies.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def _address(text: str, name: str = "") -> Address:
    local, _, domain = text.rpartition("@")
    return Address(name, local, domain)


def _outcome_of(failure: Exception) -> SendOutcome:
    """Describe a failure without any text of the other server."""
    if isinstance(failure, smtp.SMTPRecipientsRefused):
        codes = [refusal.code for refusal in failure.recipients]
        final = all(code in _PERMANENT for code in codes)
        return SendOutcome(f"the server refused the address ({', '.join(map(str, codes))})", final=final)
    final = isinstance(failure, smtp.SMTPDataError) and failure.code in _PERMANENT
    text = next(text for kind, text in _FAILURES if isinstance(failure, kind))
    if "CERTIFICATE_VERIFY_FAILED" in str(failure):
        text = _CERTIFICATE
    if "extension not supported" in str(failure):  # the library's own words
        text = _NOT_OFFERED
    code = f" ({failure.code})" if isinstance(failure, smtp.SMTPResponseException) else ""
    return SendOutcome(text + code, final=final)
