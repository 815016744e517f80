"""TLS: the certificate must be the host's, though the connection goes to a bare address."""

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

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Tls(NamedTuple):
    """A TLS receiver whose certificate is for `hooks.example`, and the server names it was asked for."""

    port: int
    authority: Path
    asked: list[str | None]


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[Tls]:
    certificate = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_serve, args=(listening, context), daemon=True).start()
        yield Tls(listening.getsockname()[1], certificate, asked)


@pytest.fixture
def post(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[DeliveryOutcome]]:
    async def resolver(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    async def send(host: str, *, trusted: bool) -> DeliveryOutcome:
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(tls.authority))
        sender = WebhookSender(timeout=10, private=True, resolver=resolver)
        try:
            return await sender.post(f"https://{host}:{tls.port}/", {}, b"{}")
        finally:
            await sender.close()

    return send


async def test_a_certificate_for_the_host_is_accepted_and_its_name_is_asked_for(
    post: Callable[..., Awaitable[DeliveryOutcome]], tls: Tls
) -> None:
    assert await post("hooks.example", trusted=True) == DeliveryOutcome(200, None)
    assert tls.asked == ["hooks.example"]


@pytest.mark.parametrize(("host", "trusted"), [("other.example", True), ("hooks.example", False)])
async def test_a_certificate_for_another_host_or_of_no_known_authority_is_refused(
    post: Callable[..., Awaitable[DeliveryOutcome]], host: str, trusted: bool
) -> None:
    expected = DeliveryOutcome(None, "the receiver's certificate is not valid for this host")
    assert await post(host, trusted=trusted) == expected


def _serve(listening: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            plain, _ = listening.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(plain, server_side=True) as connection:
                request = b""
                while not request.endswith(b"{}"):
                    request += connection.recv(65536)
                connection.sendall(ANSWER)
        except OSError:
            plain.close()


def _certificate(folder: Path) -> Path:
    """Write a certificate that signs itself, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName(
        [x509.DNSName("hooks.example"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]
    )
    made = (
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
    form = serialization.Encoding.PEM
    secret = key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(form) + secret)
    return path
