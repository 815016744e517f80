"""TLS: the certificate is verified against the host name, though the connection goes to an IP address."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from authfactor.models import DeliveryOutcome
from authfactor.outbound.webhook_sender import WebhookSender

RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class TlsReceiver(NamedTuple):
    """A TLS receiver with a certificate for `hooks.example`, and the SNI names it received."""

    port: int
    authority: Path
    server_names: list[str | None]


@pytest.fixture
def tls_receiver(tmp_path: Path) -> Iterator[TlsReceiver]:
    certificate = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server_names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: server_names.append(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, context), daemon=True).start()
        yield TlsReceiver(listener.getsockname()[1], certificate, server_names)


@pytest.fixture
def send_to(
    tls_receiver: TlsReceiver, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Awaitable[DeliveryOutcome]]:
    async def resolver(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    async def send_event(host: str, *, trusted: bool) -> DeliveryOutcome:
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(tls_receiver.authority))
        sender = WebhookSender(timeout=10, private=True, resolver=resolver)
        try:
            return await sender.post(f"https://{host}:{tls_receiver.port}/", {}, b"{}")
        finally:
            await sender.close()

    return send_event


async def test_valid_certificate_is_accepted_and_sni_is_sent(
    send_to: Callable[..., Awaitable[DeliveryOutcome]], tls_receiver: TlsReceiver
) -> None:
    assert await send_to("hooks.example", trusted=True) == DeliveryOutcome(200, None)
    assert tls_receiver.server_names == ["hooks.example"]


@pytest.mark.parametrize(("host", "trusted"), [("other.example", True), ("hooks.example", False)])
async def test_mismatched_or_untrusted_certificate_is_refused(
    send_to: Callable[..., Awaitable[DeliveryOutcome]], host: str, trusted: bool
) -> None:
    expected = DeliveryOutcome(None, "the receiver's certificate is not valid for this host")
    assert await send_to(host, trusted=trusted) == expected


def _serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(plain, server_side=True) as connection:
                request = b""
                while not request.endswith(b"{}"):
                    request += connection.recv(65536)
                connection.sendall(RESPONSE)
        except OSError:
            plain.close()


def _certificate(folder: Path) -> Path:
    """Write a self-signed certificate and its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName(
        [x509.DNSName("hooks.example"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "receiver.pem"
    encoding = serialization.Encoding.PEM
    key_bytes = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(encoding) + key_bytes)
    return path
