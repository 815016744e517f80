"""`authfactor messages` and `authfactor senders`."""

import json
import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.cli.test_recovery_codes import read, run


class Box:
    """An SMTP server's handler that keeps the subjects."""

    def __init__(self) -> None:
        self.subjects: list[str] = []
        self.came = threading.Event()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: ANN401, N802 - the library's
        self.subjects.append(message_from_bytes(envelope.content, policy=policy.default)["Subject"])
        self.came.set()
        return "250 OK"


@pytest.fixture
def mail_port() -> Iterator[tuple[int, Box]]:
    box = Box()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield port, box
    controller.stop()


def test_sender_is_set_tested_and_deleted(tmp_path: Path, mail_port: tuple[int, Box]) -> None:
    data, given = tmp_path / "data", tmp_path / "sender.json"
    port, box = mail_port
    run(data, "users", "create", "kim@example.org")
    assert run(data, "senders", "mail", "show").returncode == 4
    smtp = {"host": "127.0.0.1", "port": port, "security": "none"}
    given.write_text(json.dumps({"kind": "smtp", "from_address": "no-reply@example.org", "smtp": smtp}))
    assert read(data, "senders", "mail", "set", str(given), "--reason", "first")["smtp"]["port"] == port
    assert read(data, "senders", "mail", "show")["kind"] == "smtp"
    sent = run(data, "senders", "mail", "test", "ann@example.com")
    assert sent.stdout.strip() == "The sender has taken the message."
    assert box.subjects == ["Test message from authfactor"]
    again = run(data, "senders", "mail", "test", "ann@example.com")
    assert again.returncode == 7
    assert "Try again later" in again.stderr
    assert run(data, "senders", "mail", "delete").returncode != 0  # not confirmed
    assert read(data, "senders", "mail", "delete", "--yes") == {"deleted": True}
    entries: Any = read(data, "audit", "list")
    actions = [entry["action"] for entry in entries]
    assert {"sender.set", "sender.delete"} <= set(actions)
    assert run(data, "senders", "mail", "test", "bo@example.com").returncode == 4


def test_sender_that_is_down_fails_the_test(tmp_path: Path) -> None:
    data, given = tmp_path / "data", tmp_path / "sender.json"
    run(data, "users", "create", "kim@example.org")
    smtp = {"host": "127.0.0.1", "port": 1, "security": "none"}
    given.write_text(json.dumps({"kind": "smtp", "from_address": "no-reply@example.org", "smtp": smtp}))
    read(data, "senders", "mail", "set", str(given))
    failed = run(data, "senders", "mail", "test", "ann@example.com")
    assert (failed.returncode, failed.stdout.strip()) == (5, "Not sent: the server cannot be reached.")
    given.write_text('{"kind": "smtp", "smtp": {"host": "x", "tls": true}}')
    assert "tls" in run(data, "senders", "mail", "set", str(given)).stderr
    assert run(data, "senders", "mail", "set", str(tmp_path / "none.json")).returncode != 0


def test_messages_are_previewed_in_every_language(tmp_path: Path) -> None:
    data = tmp_path / "data"
    run(data, "users", "create", "kim@example.org")
    shown = run(data, "messages", "preview", "magic_auth", "--locale", "de").stdout
    assert shown.startswith("Subject: Ihr Anmeldecode für authfactor\n")
    assert "123456" in shown
    assert "<html" in run(data, "messages", "preview", "invitation", "--html").stdout
    assert read(data, "messages", "preview", "factor_added")["kind"] == "factor_added"
    wrong = run(data, "messages", "preview", "letter", "--locale", "xx")
    assert wrong.returncode == 2
    assert "magic_auth" in wrong.stderr
    assert "No messages." in run(data, "messages", "list").stdout
