"""TLS without a proxy: served, TLS 1.2 or later, and certificates reloaded from their files."""

import asyncio
import os
import signal
import socket
import ssl
from pathlib import Path
from typing import Final

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from authfactor.server import tls
from authfactor.server.tls import MIN_HANDSHAKES, Certificate, TlsServer
from authfactor.settings import InvalidSetting
from tests.support.certificates import write_certificate
from tests.support.server_process import Server

# More than the server's 10 seconds, less than the 60 of its event loop.
GIVEN_UP_SECONDS: Final = 35


def served_serial(port: int) -> int:
    text = ssl.get_server_certificate(("127.0.0.1", port), timeout=10)
    return x509.load_pem_x509_certificate(text.encode()).serial_number


def serial_on_disk(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sighup_reloads_the_tls_certificate(tmp_path: Path, workers: str) -> None:
    cert, key = write_certificate(tmp_path)
    settings = {"AUTHFACTOR_TLS_CERT": str(cert), "AUTHFACTOR_TLS_KEY": str(key)}
    server = Server(tmp_path / "data", {**settings, "NOTIFY_SOCKET": str(tmp_path / "notify")})
    server.scheme = "https"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(40)
        systemd.bind(str(tmp_path / "notify"))
        server.start("--workers", workers)
        try:
            # All workers are up: one that started during the change below could read half of it.
            assert systemd.recv(100) == b"READY=1"
            context = ssl.create_default_context(cafile=str(cert))
            context.check_hostname = False
            ready = f"https://127.0.0.1:{server.port}/readyz"
            response = httpx.get(ready, verify=context, trust_env=False)
            assert response.status_code == 200
            assert response.headers["strict-transport-security"] == "max-age=31536000"
            unknown = httpx.get(ready.replace("readyz", "unknown"), verify=context, trust_env=False)
            assert unknown.headers["strict-transport-security"] == "max-age=31536000"
            assert served_serial(server.port) == serial_on_disk(cert)
            write_certificate(tmp_path)
            os.kill(server.pid, signal.SIGHUP)
            server.wait_for_output("a new TLS certificate is in use", int(workers))
            assert served_serial(server.port) == serial_on_disk(cert)
        finally:
            assert server.stop() == 0, server.output()


def test_client_that_does_not_finish_its_handshake_is_given_up(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path)
    server = Server(tmp_path / "data", {"AUTHFACTOR_TLS_CERT": str(cert), "AUTHFACTOR_TLS_KEY": str(key)})
    server.scheme = "https"
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=GIVEN_UP_SECONDS) as silent:
            assert silent.recv(1) == b""
    finally:
        assert server.stop() == 0, server.output()


async def test_oldest_unfinished_handshakes_give_way_to_new_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 3600.0)
    cert, key = write_certificate(tmp_path)
    sock = socket.create_server(("127.0.0.1", 0))
    address = sock.getsockname()
    server = TlsServer(sock, Certificate(str(cert), str(key)).context, asyncio.Protocol, (), 0)
    silent = [await asyncio.open_connection(*address) for _ in range(MIN_HANDSHAKES + 1)]
    try:
        oldest, *others = (reader for reader, _ in silent)
        assert await oldest.read() == b""
        assert not any(reader.at_eof() for reader in others)
    finally:
        server.close()
        await server.wait_closed()
        for _, writer in silent:
            writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


def test_mismatched_key_pair_keeps_the_old_certificate(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path)
    certificate = Certificate(str(cert), str(key))
    assert certificate.context.minimum_version >= ssl.TLSVersion.TLSv1_2
    old_key = key.read_bytes()
    write_certificate(tmp_path)
    key.write_bytes(old_key)

    assert not certificate.refresh()
    write_certificate(tmp_path)
    assert certificate.refresh()
    assert not certificate.refresh(), "nothing changed since"


def test_error_names_the_key_that_does_not_match_its_certificate(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path)
    old_key = key.read_bytes()
    write_certificate(tmp_path)
    key.write_bytes(old_key)

    with pytest.raises(
        InvalidSetting, match=r"The key in .*key\.pem does not match the certificate in .*cert\.pem"
    ):
        Certificate(str(cert), str(key))


def test_encrypted_key_is_refused_without_a_password_prompt(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path)
    private_key = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
    )
    with pytest.raises(InvalidSetting, match="unencrypted key in PEM form"):
        Certificate(str(cert), str(key))
